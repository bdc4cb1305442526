import { html } from 'ghtml'
import type { Negative } from '../models.ts'
import { actionForm } from './action_form.ts'
import { type Frame, nowOf } from './frame.ts'
import { instant } from './instant.ts'
import { layout } from './layout.ts'
import { searchLink, shown } from './shown_text.ts'
import { type Column, emptyState, table } from './table.ts'

/** The identifiers for which OpenFIGI has no ticker, latest first. */
export function negativesPage(
  { negatives }: { readonly negatives: readonly Negative[] },
  frame: Frame,
): string {
  const now = nowOf(frame)
  const columns: readonly Column<Negative>[] = [
    { title: 'Identifier', cell: ({ identifier_value }) => searchLink(identifier_value) },
    { title: 'Type', cell: ({ identifier_type }) => shown(identifier_type) },
    { title: 'Last asked', cell: ({ last_fetched_date }) => instant(last_fetched_date, now) },
    { title: 'Asked again after', cell: ({ stale_at }) => instant(stale_at, now) },
    ...(frame.allowActions ? [retryColumn(frame)] : []),
  ]
  return layout(
    {
      title: 'Negatives',
      isLive: true,
      body:
        negatives.length === 0
          ? emptyState(
              'There are no negatives',
              '<p>Every identifier that was asked for has a ticker. Those that OpenFIGI does not know would be listed here.</p>',
            )
          : html`<p class="lead">OpenFIGI knows no ticker for these. They are asked for again when they are stale!${frame.allowActions ? ', or now by their button' : ''}.</p>!${table(negatives, { id: 'negatives', caption: 'Negatives, latest first', columns })}`,
    },
    frame,
  )
}

function retryColumn(frame: Frame): Column<Negative> {
  return {
    title: 'Retry',
    kind: 'act',
    cell: (negative) =>
      actionForm(
        {
          action: 'retry',
          label: 'Retry',
          about: `${negative.identifier_type} ${negative.identifier_value}`,
          identifier: negative,
        },
        frame,
      ),
  }
}
