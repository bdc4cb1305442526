import { html } from 'ghtml'
import type { Frame } from './frame.ts'
import { layout } from './layout.ts'
import { markdown } from './markdown.ts'
import { runbookPath } from './runbook_link.ts'

export interface RunbookModel {
  /** Of the file, which is the check's. */
  readonly name: string
  /** In Markdown. */
  readonly text: string
}

/** What a check means and what to do about it. */
export function runbookPage({ name, text }: RunbookModel, frame: Frame): string {
  const [, title, rest] = /^\s*# +(.+)\n([\s\S]*)$/.exec(text) ?? [null, name.replaceAll('_', ' '), text]
  return layout(
    {
      title: (title ?? name).replaceAll('`', ''),
      beside: name === 'README' ? '' : html`<a href="${runbookPath('README')}">All runbooks</a>`,
      body: html`<article class="prose">!${markdown(rest ?? '', { heading: 2 })}</article><p class="quiet"><a href="/">Back to the overview</a></p>`,
    },
    frame,
  )
}
