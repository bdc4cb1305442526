import { html } from 'ghtml'
import type { Overview } from '../models.ts'
import { counted, number, percent, shortDuration } from './figures.ts'

interface Tile {
  readonly label: string
  readonly figure: string
  readonly note: string
  readonly link?: string
}

/** The numbers of the front page. */
export function tiles(overview: Overview): string {
  return html`<section aria-labelledby="numbers-title"><h2 id="numbers-title" class="unseen">Numbers</h2><dl class="tiles">!${tilesOf(overview).map(tile)}</dl></section>`
}

function tilesOf(now: Overview): Tile[] {
  const open = now.found_cached + now.not_found_cached
  return [
    {
      label: 'Mappings',
      figure: number(now.found_cached),
      note: `and ${counted(now.history_rows, 'past period')}`,
    },
    {
      label: 'Negatives',
      figure: number(now.not_found_cached),
      note:
        open === 0
          ? 'known to have no ticker'
          : `${percent(now.not_found_cached / open)} of all that is known`,
      link: '/negatives',
    },
    {
      label: 'Stale',
      figure: number(now.stale),
      note: open === 0 ? 'older than they may be' : `${percent(now.stale / open)} of all that is known`,
    },
    {
      label: 'Pending',
      figure: number(now.pending),
      note: now.gave_up === 0 ? 'none gave up' : `${number(now.gave_up)} gave up`,
      link: now.gave_up > 0 ? '/requests?state=gave_up' : '/requests',
    },
    hitRate('Hit rate, 1 hour', now.hit_rate_1h),
    hitRate('Hit rate, 24 hours', now.hit_rate_24h),
    {
      label: 'Budget in use',
      figure: now.budget_used === null ? '–' : percent(now.budget_used),
      note: now.budget_used === null ? 'no request yet' : 'of the limit at OpenFIGI',
    },
    {
      label: 'Backlog',
      figure: now.backlog_seconds === null ? '–' : shortDuration(now.backlog_seconds),
      note: now.backlog_seconds === null ? 'unknown how long' : 'at the full limit',
    },
  ]
}

function hitRate(label: string, rate: number | null): Tile {
  return {
    label,
    figure: rate === null ? '–' : percent(rate),
    note: rate === null ? 'no lookups counted' : 'of counted lookups',
  }
}

function tile({ label, figure, note, link }: Tile): string {
  const name = link ? html`<a href="${link}">${label}</a>` : html`${label}`
  return html`<div class="tile"><dt>!${name}</dt><dd class="figure">${figure}</dd><dd class="note">${note}</dd></div>`
}
