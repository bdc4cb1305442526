import { html } from 'ghtml'
import type { Chart } from '../models.ts'
import { counted, number } from './figures.ts'
import { plain } from './shown_text.ts'

/**
 * A chart that a script draws from the table below it: its rows are the instants, latest first, its columns the series.
 * Counts are stacked columns; of sizes the change
 * since the beginning is drawn as lines.
 */
export function chart(model: Chart): string {
  const { name, title, unit, bucket_seconds } = model
  const hasFigures = model.at.length > 0 && model.series.some(({ values }) => values.some((value) => value))
  const id = `chart-${name}`
  return html`<figure class="chart" id="${id}" data-kind="${name === 'growth' ? 'lines' : 'columns'}" data-bucket="${bucket_seconds}">
<figcaption><h3>${title}</h3> <span class="unit">${name === 'growth' ? `${unit}, drawn as the change in this time` : unit}</span></figcaption>
<ul class="legend">!${model.series.map((series, place) => legendItem(series, place, name === 'growth'))}</ul>
!${
    hasFigures
      ? html`<div class="canvas" aria-hidden="true"></div><noscript><p class="quiet">The figures are in the table.</p></noscript>`
      : html`<div class="canvas nothing"><p>${nothing[name]}</p></div>`
  }
!${model.at.length > 0 ? figures(model, id) : ''}
</figure>`
}

const nothing: Readonly<Record<Chart['name'], string>> = {
  lookups: 'Nobody has looked anything up in this time.',
  requests: 'Nothing was asked of OpenFIGI in this time.',
  changes: 'No ticker has changed in this time.',
  growth: 'Nothing has been sampled in this time: a worker samples every minute.',
}

function legendItem({ label, values }: Chart['series'][number], place: number, isSize: boolean): string {
  const latest = values.findLast((value) => value !== null) ?? null
  const total = values.reduce<number>((sum, value) => sum + (value ?? 0), 0)
  const figure = isSize ? (latest === null ? '–' : number(latest)) : number(total)
  return html`<li class="series-${place % 6}"><span class="swatch" aria-hidden="true"></span>${labelOf(label)} <b>${figure}</b></li>`
}

function figures({ at, series, title, bucket_seconds }: Chart, id: string): string {
  const rows = at.map((from, place) => ({ from, place })).toReversed()
  return html`<details class="more" id="${id}-figures"><summary>The same as a table<span class="unseen">: ${title}</span></summary>
<div class="scroll tall" role="group" aria-label="${title}, as a table" tabindex="0"><table>
<thead><tr><th scope="col">${counted(bucket_seconds / 60, 'minute')} from, UTC</th>!${series.map(({ label }) => html`<th scope="col" class="figure">${labelOf(label)}</th>`)}</tr></thead>
<tbody>!${rows.map(
    ({ from, place }) =>
      html`<tr><th scope="row"><time datetime="${from}">${minuteOf(from)}</time></th>!${series.map(({ values }) => figureCell(values[place] ?? null))}</tr>`,
  )}</tbody></table></div></details>`
}

function labelOf(label: string): string {
  return plain(label.replaceAll('_', ' '), 40)
}

function figureCell(value: number | null): string {
  return value === null ? '<td class="figure">–</td>' : html`<td class="figure">${number(value)}</td>`
}

function minuteOf(at: string): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ')
}
