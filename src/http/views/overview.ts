import { html } from 'ghtml'
import type { Chart, Health, Overview, Range } from '../models.ts'
import { ranges } from '../models.ts'
import { chart } from './chart.ts'
import type { Frame } from './frame.ts'
import { healthSection } from './health_section.ts'
import { layout } from './layout.ts'
import { shownSentence } from './shown_text.ts'
import { emptyState } from './table.ts'
import { tiles } from './tiles.ts'

/** Each a sentence where it cannot be read. */
export interface OverviewModel {
  readonly health: Health
  readonly overview: Overview | string
  readonly charts: readonly Chart[] | string
  readonly range: Range
}

/** The front page: what is not well, how much there is, what has happened. */
export function overviewPage({ health, overview, charts, range }: OverviewModel, frame: Frame): string {
  const isEmpty =
    typeof overview !== 'string' &&
    overview.total_cached === 0 &&
    overview.history_rows === 0 &&
    overview.pending === 0
  return layout(
    {
      title: 'Overview',
      isLive: true,
      hasCharts: true,
      body: html`!${healthSection(health)}
!${isEmpty ? nothingKnown : ''}
!${typeof overview === 'string' ? missing(overview) : tiles(overview)}
<section class="charts" aria-labelledby="charts-title">
<div class="heading"><h2 id="charts-title">What has happened</h2>!${rangeLinks(range)}</div>
!${typeof charts === 'string' ? missing(charts) : html`<div class="grid">!${charts.map(chart)}</div>`}
</section>`,
    },
    frame,
  )
}

/** In place of figures that cannot be read. */
function missing(sentence: string): string {
  return html`<p class="message">!${shownSentence(sentence)}</p>`
}

const nothingKnown = emptyState(
  'Nothing is known yet',
  '<p>Look up an identifier above or by <code>pgfigi resolve 037833100</code>, or read what you have: <code>pgfigi import &lt;file&gt;</code>. What is looked up is fetched from OpenFIGI once, and kept.</p>',
)

const rangeNames: Readonly<Record<Range, string>> = { '1h': '1 hour', '24h': '24 hours', '7d': '7 days' }

function rangeLinks(current: Range): string {
  return html`<nav class="segments" aria-label="Range of the charts"><ul>!${ranges.map(
    (each) =>
      html`<li><a href="/?range=${each}"!${each === current ? ' aria-current="true"' : ''}>${rangeNames[each]}</a></li>`,
  )}</ul></nav>`
}
