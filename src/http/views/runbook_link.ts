import { html } from 'ghtml'

/** Where the runbooks are: this server shows them itself. */
const runbookBase = '/runbooks'

/** In place of the checks: they have no runbook of their own. */
const others: Readonly<Record<string, string>> = { rights: 'page', health_checks: 'page' }

/** Where what to do about a check is written. */
export function runbookPath(name: string): string {
  return `${runbookBase}/${encodeURIComponent(others[name] ?? name)}`
}

export function runbookLink(name: string, label: string): string {
  return html`<a class="runbook" href="${runbookPath(name)}">${label}<span class="unseen"> about ${name.replaceAll('_', ' ')}</span></a>`
}
