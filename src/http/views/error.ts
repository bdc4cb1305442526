import { html } from 'ghtml'
import type { Frame } from './frame.ts'
import { layout } from './layout.ts'
import { shownSentence } from './shown_text.ts'

export interface ErrorModel {
  readonly status: number
  /** What went wrong and what to do, in words. */
  readonly message: string
}

const titles: Readonly<Record<number, string>> = {
  400: 'That cannot be asked',
  401: 'Log in first',
  403: 'That is not allowed',
  404: 'There is no such page',
  429: 'Too many requests',
  503: 'Not now',
}

/** In place of a page that cannot be shown. */
export function errorPage({ status, message }: ErrorModel, frame: Frame): string {
  return layout(
    {
      title: titles[status] ?? 'Something went wrong',
      body: html`<p class="message">!${shownSentence(message)}</p><p class="quiet">Status ${status}. <a href="/">Back to the overview</a></p>`,
    },
    frame,
  )
}
