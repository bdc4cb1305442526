import type { Counting } from '../counting/tally.ts'
import type { ResolvedMapping } from '../database/lookups.ts'
import type { Answer } from '../database/requests.ts'
import type { Identifier } from '../identifiers.ts'
import type { Outcome } from '../openfigi/fetch_round.ts'
import { listingColumns } from '../openfigi/listing_columns.ts'

/** What is to be recorded of an outcome. A market that knows nothing is not yet a negative: the identifier goes round again. */
export function answerOf(identifier: Identifier, outcome: Outcome): Answer {
  const of = { identifier_type: identifier.type, identifier_value: identifier.value }
  if (outcome.kind === 'error') return { ...of, outcome: 'error', message: outcome.message }
  if (outcome.kind === 'none') return { ...of, outcome: outcome.filtered ? 'unfiltered' : 'none' }
  const { listing, alternatives } = outcome
  return {
    ...of,
    outcome: 'listing',
    ticker: listing.ticker,
    ...listingColumns(listing),
    alternatives: alternatives.length === 0 ? null : alternatives,
  }
}

/** Counts what OpenFIGI answered, identifier by identifier. */
export function countAnswers(counting: Counting, answers: readonly Answer[]): void {
  for (const { outcome } of answers) counting.add('openfigi_answers', { outcome })
}

/** The row that resolve_mapping would give for an answer that could not be written yet; null where nothing came of it. */
export function resolvedOf(answer: Answer, fetchedAt: Date): ResolvedMapping | null {
  if (answer.outcome !== 'listing' && answer.outcome !== 'none') return null
  const isNegative = answer.outcome === 'none'
  return {
    ...unresolved(
      { type: answer.identifier_type, value: answer.identifier_value },
      isNegative ? 'negative' : 'hit',
    ),
    ticker: answer.ticker ?? null,
    resolved_via: answer.identifier_type,
    has_no_results: isNegative,
    start_date: fetchedAt,
    last_fetched_date: fetchedAt,
    figi: answer.figi ?? null,
    composite_figi: answer.composite_figi ?? null,
    share_class_figi: answer.share_class_figi ?? null,
    name: answer.name ?? null,
    exch_code: answer.exch_code ?? null,
    security_type: answer.security_type ?? null,
    security_type2: answer.security_type2 ?? null,
    market_sector: answer.market_sector ?? null,
    source: 'openfigi',
    alternatives: answer.alternatives ?? null,
  }
}

/** A row without a mapping. */
export function unresolved(
  identifier: { readonly type: string | null; readonly value: string | null },
  status: ResolvedMapping['status'],
): ResolvedMapping {
  return {
    identifier_type: identifier.type,
    identifier_value: identifier.value,
    ticker: null,
    status,
    fetch_requested: false,
    resolved_via: null,
    id: null,
    has_no_results: null,
    start_date: null,
    end_date: null,
    last_fetched_date: null,
    figi: null,
    composite_figi: null,
    share_class_figi: null,
    name: null,
    exch_code: null,
    security_type: null,
    security_type2: null,
    market_sector: null,
    source: null,
    alternatives: null,
  }
}
