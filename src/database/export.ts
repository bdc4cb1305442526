import type { TransactionSql } from 'postgres'
import type { Sql } from './connect.ts'
import { copyOut } from './copy_out.ts'
import { createRowCounter } from './count_rows.ts'
import { instantOf } from './lookups.ts'

/** csv is for people and spreadsheets, jsonl for programs, dump for `import`, which reads it back to the same tables. */
export type ExportFormat = 'csv' | 'jsonl' | 'dump'

/** The open rows, those of an instant (a Date) or a day (YYYY-MM-DD, whole and in UTC), or every period. A dump is whole. */
export type ExportScope = 'current' | 'history' | { readonly asOf: Date | string }

export interface Export {
  readonly format: ExportFormat
  readonly scope: ExportScope
  /** Told how many more rows have been read. */
  onRows?(count: number): void
}

/**
 * Hands the bytes of an export to `write`, as it takes them, from one snapshot. Needs a pool of one connection, which is
 * closed where the export does not reach its end: a COPY can be stopped in no other way.
 */
export async function exportMappings(
  sql: Sql,
  asked: Export,
  write: (bytes: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  const exported = sql.begin('isolation level repeatable read read only', async (transaction) => {
    try {
      await prepare(transaction, asked.scope)
      await write(bytesOf(transaction, asked))
    } catch (error) {
      fail(error)
      void sql.end({ timeout: 0 })
      // Left open: the driver would send a rollback, which ends the process where the connection is gone.
      await new Promise(() => {})
    }
  })
  await Promise.race([exported, failed])
}

/** About how many rows there will be, by the statistics; null where nobody knows. */
export async function estimatedRows(sql: Sql, { format, scope }: Export): Promise<number | null> {
  if (typeof scope === 'object') return null
  const relations =
    format === 'dump'
      ? ['public.security_mappings', 'figi_private.sightings']
      : [scope === 'current' ? 'public.security_mappings_one_open_row' : 'public.security_mappings']
  const [row] = await sql<{ estimate: number | null }[]>`
    select case when pg_catalog.min(c.reltuples) >= 0::float4 then pg_catalog.sum(c.reltuples)::float8 end as estimate
    from pg_catalog.pg_class c
    where c.oid = any(${relations}::text[]::regclass[]::oid[])`
  return row?.estimate ?? null
}

/**
 * COPY takes no parameters: the time that is asked for travels as a setting of the transaction. What takes time is to write
 * rows as text, which the planner does not know of: parallel workers share it where the server has any to spare.
 */
async function prepare(sql: TransactionSql, scope: ExportScope): Promise<void> {
  const asOf = typeof scope === 'object' ? scope.asOf : ''
  await sql`
    select
      pg_catalog.set_config('timezone', 'UTC', true),
      pg_catalog.set_config('datestyle', 'ISO, YMD', true),
      pg_catalog.set_config('parallel_setup_cost', '0', true),
      pg_catalog.set_config('parallel_tuple_cost', '0', true),
      pg_catalog.set_config('pgfigi.export_as_of', ${asOf instanceof Date ? instantOf(asOf) : asOf}, true)`
}

async function* bytesOf(sql: TransactionSql, { format, scope, onRows }: Export): AsyncGenerator<Buffer> {
  if (format === 'csv') {
    const rows = sql`copy (${csvRows(sql, scope)}) to stdout (format csv, header)`
    yield* counted(copyOut(rows), createRowCounter({ headLines: 1, isCsv: true }, onRows))
    return
  }
  const tables = format === 'jsonl' ? [jsonRows(sql, scope)] : [rowsOfDump(sql), sightingsOfDump(sql)]
  if (format === 'dump') yield await headOfDump(sql)
  for (const table of tables) {
    // As they are: characters that JSON never holds, so that nothing is quoted.
    const lines = sql`copy (${table}) to stdout (format csv, quote e'\\x01', delimiter e'\\x02')`
    yield* counted(copyOut(lines), createRowCounter({ headLines: 0, isCsv: false }, onRows))
  }
}

async function* counted(
  pieces: AsyncIterable<Buffer>,
  count: (bytes: Buffer) => void,
): AsyncGenerator<Buffer> {
  for await (const bytes of pieces) {
    count(bytes)
    yield bytes
  }
}

/** Instants in ISO 8601 with Z, and no cell that a spreadsheet would run. */
function csvRows(sql: TransactionSql, scope: ExportScope) {
  return sql`
    select
      m.identifier_type,
      public.spreadsheet_safe(m.identifier_value) as identifier_value,
      public.spreadsheet_safe(m.ticker) as ticker,
      m.has_no_results::text as has_no_results,
      pg_catalog.replace((m.start_date at time zone 'UTC')::text, ' ', 'T') || 'Z' as start_date,
      pg_catalog.replace((m.end_date at time zone 'UTC')::text, ' ', 'T') || 'Z' as end_date,
      pg_catalog.replace((m.last_fetched_date at time zone 'UTC')::text, ' ', 'T') || 'Z' as last_fetched_date,
      public.spreadsheet_safe(m.figi) as figi,
      public.spreadsheet_safe(m.composite_figi) as composite_figi,
      public.spreadsheet_safe(m.share_class_figi) as share_class_figi,
      public.spreadsheet_safe(m.name) as name,
      public.spreadsheet_safe(m.exch_code) as exch_code,
      public.spreadsheet_safe(m.security_type) as security_type,
      public.spreadsheet_safe(m.security_type2) as security_type2,
      public.spreadsheet_safe(m.market_sector) as market_sector,
      m.source,
      m.alternatives
    from ${mappingsOf(sql, scope)}
    order by m.identifier_type, m.identifier_value, m.start_date`
}

/** The same columns as they are, one object a row. */
function jsonRows(sql: TransactionSql, scope: ExportScope) {
  return sql`
    select pg_catalog.row_to_json(r)
    from (
      select
        m.identifier_type, m.identifier_value, m.ticker, m.has_no_results,
        pg_catalog.replace((m.start_date at time zone 'UTC')::text, ' ', 'T') || 'Z' as start_date,
        pg_catalog.replace((m.end_date at time zone 'UTC')::text, ' ', 'T') || 'Z' as end_date,
        pg_catalog.replace((m.last_fetched_date at time zone 'UTC')::text, ' ', 'T') || 'Z' as last_fetched_date,
        m.figi, m.composite_figi, m.share_class_figi, m.name, m.exch_code, m.security_type, m.security_type2,
        m.market_sector, m.source, m.alternatives
      from ${mappingsOf(sql, scope)}
      order by m.identifier_type, m.identifier_value, m.start_date
    ) r`
}

function mappingsOf(sql: TransactionSql, scope: ExportScope) {
  if (scope === 'current') return sql`public.mapping_periods m where m.end_date is null`
  if (scope === 'history') return sql`public.mapping_periods m`
  return scope.asOf instanceof Date
    ? sql`public.mappings_as_of(pg_catalog.current_setting('pgfigi.export_as_of')::timestamptz) m`
    : sql`public.mappings_as_of(pg_catalog.current_setting('pgfigi.export_as_of')::date) m`
}

async function headOfDump(sql: TransactionSql): Promise<Buffer> {
  const [row] = await sql<[{ at: Date }]>`select pg_catalog.now() as at`
  return Buffer.from(`${JSON.stringify({ pgfigi_dump: 1, exported_at: row.at })}\n`)
}

function rowsOfDump(sql: TransactionSql) {
  return sql`
    select '{"security_mappings": ' || pg_catalog.row_to_json(m)::text || '}'
    from public.security_mappings m
    order by m.identifier_type, m.identifier_value, m.start_date`
}

function sightingsOfDump(sql: TransactionSql) {
  return sql`
    select '{"sightings": ' || pg_catalog.row_to_json(s)::text || '}'
    from figi_private.sightings s
    order by s.identifier_type, s.identifier_value, s.ticker, s.source`
}
