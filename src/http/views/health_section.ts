import { html } from 'ghtml'
import type { Health, HealthCheck } from '../models.ts'
import { counted, inUnit } from './figures.ts'
import { runbookLink } from './runbook_link.ts'
import { plain } from './shown_text.ts'
import { sign } from './status.ts'

const rank = { fail: 0, warn: 1, ok: 2 } as const
const words = { fail: 'Fails', warn: 'Warns', ok: 'Well' } as const

/** The checks as sentences: what is not well first, the others folded away. */
export function healthSection({ checks, status }: Health): string {
  const worstFirst = checks.toSorted((a, b) => rank[a.status] - rank[b.status])
  const troubles = worstFirst.filter((check) => check.status !== 'ok')
  const well = worstFirst.filter((check) => check.status === 'ok')
  return html`<section class="health ${status}" aria-labelledby="health-title">
<h2 id="health-title" class="unseen">Health</h2>
!${troubles.length === 0 ? allWell(checks.length) : html`<ul class="checks troubles">!${troubles.map(checkItem)}</ul>`}
!${
    well.length === 0
      ? ''
      : html`<details class="more" id="well-checks"><summary>${troubles.length === 0 ? 'What was checked' : `${counted(well.length, 'other check')} ${well.length === 1 ? 'is' : 'are'} well`}</summary><ul class="checks">!${well.map(checkItem)}</ul></details>`
  }
</section>`
}

function allWell(count: number): string {
  return count === 0
    ? html`<p class="calm plain">!${sign('plain')}<span>Nothing has been checked yet.</span></p>`
    : html`<p class="calm">!${sign('ok')}<span>All is well: ${counted(count, 'check')}, none of them warns.</span></p>`
}

function checkItem(check: HealthCheck): string {
  const { name, status, sentence } = check
  return html`<li class="check ${status}" id="check-${name}" data-check="${name.replaceAll('_', ' ')}" data-status="${status}" data-sentence="${plain(sentence, 300)}">
!${sign(status)}
<div><p class="sentence"><span class="word">${words[status]}:</span> <bdi>${plain(sentence, 600)}</bdi></p>
<p class="figures"><span class="check-name">${name.replaceAll('_', ' ')}</span> <span>${measured(check)}</span>!${thresholdsOf(check)} !${runbookLink(name, status === 'ok' ? 'Runbook' : 'What to do')}</p></div>
</li>`
}

function measured({ value, unit }: HealthCheck): string {
  return value === null ? 'no figure' : inUnit(value, unit)
}

function thresholdsOf({ threshold, fails_at, unit }: HealthCheck): string {
  const warns = threshold === null ? '' : html` <span>warns at ${inUnit(threshold, unit)}</span>`
  const fails = fails_at === null ? '' : html` <span>fails at ${inUnit(fails_at, unit)}</span>`
  return `${warns}${fails}`
}
