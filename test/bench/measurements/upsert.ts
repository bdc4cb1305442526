import type { Sql, TransactionSql } from 'postgres'
import type { Comparison, Measurement } from '../harness.ts'
import { undone } from '../rollback.ts'
import { wallTime } from '../statement.ts'

const rows = 100_000

/** 100,000 observations at once against the plain statement that any cache would use, each rolled back. */
export const upsert: Measurement = {
  name: 'upsert',
  async comparisons({ sql, size }) {
    const inputs = [
      { title: 'nothing changed', kind: 'unchanged' },
      { title: 'a tenth changed', kind: 'changed' },
      { title: 'all new', kind: 'new' },
    ]
    await sql`
      create table if not exists bench.observations (
        kind text primary key,
        types text[], values text[], tickers text[],
        figis text[], composite_figis text[], share_class_figis text[], names text[],
        exch_codes text[], security_types text[], security_types2 text[], market_sectors text[]
      )`
    const count = Math.min(rows, size.identifiers)
    const comparisons: Comparison[] = []
    for (const { title, kind } of inputs) {
      await fillObservations(sql, kind, count)
      comparisons.push({
        title: `upsert_mappings of ${count}, ${title}, against insert ... on conflict`,
        kind: 'time',
        target: 2,
        warmUp: false,
        baseline: () => undone(sql, (transaction) => bare(transaction, kind)),
        ours: () => undone(sql, (transaction) => ours(transaction, kind)),
        restore: () => sql`vacuum public.security_mappings`,
      })
    }
    return comparisons
  },
}

/** Known identifiers from all over the table in no order, as OpenFIGI would answer for them today. */
async function fillObservations(sql: Sql, kind: string, count: number): Promise<void> {
  await sql`delete from bench.observations where kind = ${kind}`
  await sql`
    insert into bench.observations
    select
      ${kind},
      array_agg(case ${kind} when 'new' then 'CUSIP' else o.identifier_type end order by o.place),
      array_agg(case ${kind} when 'new' then bench.unknown_cusip(o.place) else o.identifier_value end order by o.place),
      array_agg(case when ${kind} = 'changed' and o.place % 10 = 0 then 'CHANGED' else o.ticker end order by o.place),
      array_agg(o.figi order by o.place),
      array_agg(o.composite_figi order by o.place),
      array_agg(o.share_class_figi order by o.place),
      array_agg(o.name order by o.place),
      array_agg(o.exch_code order by o.place),
      array_agg(o.security_type order by o.place),
      array_agg(o.security_type2 order by o.place),
      array_agg(o.market_sector order by o.place)
    from (
      select m.*, row_number() over (order by hashint8(m.id)) as place
      from public.security_mappings m
      where m.end_date is null
      order by hashint8(m.id)
      limit ${count}
    ) o`
}

async function ours(sql: TransactionSql, kind: string): Promise<number> {
  return wallTime(
    () => sql`
      select count(*)
      from bench.observations o
      cross join lateral public.upsert_mappings(
        o.types, o.values, o.tickers, clock_timestamp(),
        o.figis, o.composite_figis, o.share_class_figis, o.names,
        o.exch_codes, o.security_types, o.security_types2, o.market_sectors
      ) u
      where o.kind = ${kind}`,
  )
}

/** Into the same table, with its indexes and checks, but without the triggers. It keeps no history and checks no identifier. */
async function bare(sql: TransactionSql, kind: string): Promise<number> {
  await sql`alter table public.security_mappings disable trigger user`
  return wallTime(
    () => sql`
      insert into public.security_mappings (
        identifier_type, identifier_value, ticker, has_no_results, start_date, last_fetched_date,
        figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector
      )
      select
        i.identifier_type, i.identifier_value, i.ticker, i.ticker is null, clock_timestamp(), clock_timestamp(),
        i.figi, i.composite_figi, i.share_class_figi, i.name, i.exch_code, i.security_type, i.security_type2,
        i.market_sector
      from bench.observations o
      cross join lateral unnest(
        o.types, o.values, o.tickers, o.figis, o.composite_figis, o.share_class_figis, o.names,
        o.exch_codes, o.security_types, o.security_types2, o.market_sectors
      ) as i (
        identifier_type, identifier_value, ticker, figi, composite_figi, share_class_figi, name,
        exch_code, security_type, security_type2, market_sector
      )
      where o.kind = ${kind}
      on conflict (identifier_type, identifier_value) where end_date is null
      do update set
        ticker = excluded.ticker,
        has_no_results = excluded.has_no_results,
        last_fetched_date = excluded.last_fetched_date,
        figi = excluded.figi,
        composite_figi = excluded.composite_figi,
        share_class_figi = excluded.share_class_figi,
        name = excluded.name,
        exch_code = excluded.exch_code,
        security_type = excluded.security_type,
        security_type2 = excluded.security_type2,
        market_sector = excluded.market_sector,
        updated_at = clock_timestamp()`,
  )
}
