import { html } from 'ghtml'
import type { Change } from '../models.ts'
import { type Frame, nowOf } from './frame.ts'
import { instant } from './instant.ts'
import { layout } from './layout.ts'
import { inWords, searchLink, shown } from './shown_text.ts'
import { type Column, emptyState, table } from './table.ts'

/** What has changed lately, latest first. */
export function changesPage({ changes }: { readonly changes: readonly Change[] }, frame: Frame): string {
  const now = nowOf(frame)
  const columns: readonly Column<Change>[] = [
    { title: 'Identifier', cell: ({ identifier_value }) => searchLink(identifier_value) },
    { title: 'Type', cell: ({ identifier_type }) => shown(identifier_type) },
    { title: 'What', cell: ({ kind }) => html`${inWords(kind)}` },
    { title: 'From', cell: ({ from_ticker }) => searchLink(from_ticker) },
    { title: 'To', cell: ({ to_ticker }) => searchLink(to_ticker) },
    { title: 'Name', kind: 'wide', cell: ({ name }) => shown(name) },
    { title: 'When', cell: ({ changed_at }) => instant(changed_at, now) },
    { title: 'Source', cell: ({ source }) => shown(source) },
  ]
  return layout(
    {
      title: 'Changes',
      isLive: true,
      body:
        changes.length === 0
          ? emptyState(
              'Nothing has changed yet',
              '<p>A change is an identifier seen for the first time, a new ticker, or one that is gone. Look up an identifier: <code>pgfigi resolve 037833100</code>.</p>',
            )
          : html`<p class="lead">The latest first. <code>pgfigi changes</code> lists all of them.</p>!${table(changes, { id: 'changes', caption: 'Changes, latest first', columns })}`,
    },
    frame,
  )
}
