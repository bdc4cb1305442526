import type { KnownMapping } from '../database/known_mappings.ts'

/** What is written beside a row. */
export interface Answer extends KnownMapping {
  /** Why there is none, where it should have been fetched and could not be. */
  readonly error?: string
}

export const invalid: Answer = { ticker: null, name: null, figi: null, status: 'invalid' }

/**
 * Which of two answers for one row says more; the first of equals. A hit goes before a ticker past its age; then what may
 * still become something before what is settled; an invalid identifier says least.
 */
export function better(a: Answer, b: Answer): Answer {
  return rank(b) < rank(a) ? b : a
}

function rank({ status, ticker }: Answer): number {
  if (status === 'hit') return 0
  if (ticker !== null) return 1
  return { stale: 2, miss: 3, negative: 4, invalid: 5 }[status]
}

/** Whether OpenFIGI has to be asked before there is an answer, and was not in vain. */
export function isOpen({ status, ticker, error }: Answer): boolean {
  return error === undefined && (status === 'miss' || (status === 'stale' && ticker === null))
}
