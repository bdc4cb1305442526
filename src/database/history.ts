import type { Identifier } from '../identifiers.ts'
import type { Sql } from './connect.ts'

/** A row of mapping_history, the columns by their SQL names. */
export interface MappingPeriod {
  /** bigint, so a string. */
  readonly id: string
  readonly identifier_type: string
  readonly identifier_value: string
  readonly ticker: string | null
  readonly has_no_results: boolean
  readonly start_date: Date
  readonly end_date: Date | null
  readonly last_fetched_date: Date
  readonly figi: string | null
  readonly composite_figi: string | null
  readonly share_class_figi: string | null
  readonly name: string | null
  readonly exch_code: string | null
  readonly security_type: string | null
  readonly security_type2: string | null
  readonly market_sector: string | null
  readonly source: string
  readonly alternatives: readonly unknown[] | null
}

/** Every period of one identifier in order of time; none where nothing is known of it. */
export async function mappingHistory(sql: Sql, { type, value }: Identifier): Promise<MappingPeriod[]> {
  return sql<MappingPeriod[]>`select * from public.mapping_history(${type}, ${value})`
}
