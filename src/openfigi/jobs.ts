import type { Identifier } from '../identifiers.ts'
import { isCins } from '../identifiers.ts'
import { type ListingPreference, marketsOf } from './markets.ts'

/** One element of the body of `POST /v3/mapping`. `includeUnlistedEquities` is left out: what has no listing has no ticker. */
export interface MappingJob {
  readonly idType: 'ID_CUSIP' | 'ID_CINS' | 'ID_ISIN'
  readonly idValue: string
  /** Only where the answer is to hold the listings of one market alone. */
  readonly exchCode?: string
}

/** The job that asks for the identifier, in one market or (null) in all of them. */
export function mappingJob(identifier: Identifier, market: string | null): MappingJob {
  const job = { idType: idTypeOf(identifier), idValue: identifier.value }
  return market === null ? job : { ...job, exchCode: market }
}

/** The market that the first request for an identifier is filtered by; null where it is not filtered at all. */
export function firstMarket(identifier: Identifier, preference: ListingPreference): string | null {
  return marketsOf(identifier, preference)[0] ?? null
}

/** A CUSIP that begins with a letter is a CINS: sent as ID_CUSIP it comes back as an error. */
function idTypeOf(identifier: Identifier): MappingJob['idType'] {
  if (identifier.type === 'ISIN') return 'ID_ISIN'
  return isCins(identifier.value) ? 'ID_CINS' : 'ID_CUSIP'
}
