import type { Sql } from 'postgres'
import type { Comparison, Measurement } from '../harness.ts'
import { undone } from '../rollback.ts'
import { wallTime } from '../statement.ts'

/** How many rows to write, and how many of them by one statement. */
const portions = [
  { rows: 100_000, each: 100_000 },
  { rows: 50_000, each: 5000 },
  { rows: 10_000, each: 100 },
]

/** What any cache would write, in bulk, into the table with its laws and into a copy that has its indexes alone. */
export const laws: Measurement = {
  name: 'laws',
  isDefault: false,
  async comparisons({ sql, size }) {
    await prepare(sql, Math.min(100_000, size.identifiers))
    const comparisons: Comparison[] = []
    for (const { title, statement } of statements) {
      for (const { rows, each } of portions) {
        if (rows > size.identifiers) continue
        comparisons.push({
          title: `${title}, ${rows} rows, ${each} a statement, against B-tree indexes alone`,
          kind: 'time',
          target: 1.5,
          baseline: () => timed(sql, statement('bench.bare_mappings'), rows, each),
          ours: () => timed(sql, statement('public.security_mappings'), rows, each),
          restore: () => sql`vacuum public.security_mappings, bench.bare_mappings`,
        })
      }
    }
    return comparisons
  },
}

/** Over the rows whose place is between $1 and $2. */
const statements: { title: string; statement: (table: string) => string }[] = [
  {
    title: 'inserting new identifiers',
    statement: (table) => `
      insert into ${table} (
        identifier_type, identifier_value, ticker, has_no_results, start_date, last_fetched_date,
        figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector
      )
      select
        n.identifier_type, n.identifier_value, n.ticker, n.has_no_results, n.start_date, n.last_fetched_date,
        n.figi, n.composite_figi, n.share_class_figi, n.name, n.exch_code, n.security_type, n.security_type2, n.market_sector
      from bench.new_mappings n
      where n.place between $1 and $2`,
  },
  {
    title: 'inserting a past period of known identifiers',
    statement: (table) => `
      insert into ${table} (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date, source)
      select k.identifier_type, k.identifier_value, 'PAST', '2010-01-01Z', '2011-01-01Z', '2010-12-31Z', 'import'
      from bench.known_mappings k
      where k.place between $1 and $2`,
  },
  {
    title: 'updating last_fetched_date',
    statement: (table) => `
      update ${table} m
      set last_fetched_date = clock_timestamp(), updated_at = clock_timestamp()
      where m.id = any (array(select k.id from bench.known_mappings k where k.place between $1 and $2))`,
  },
  {
    title: 'closing open rows',
    statement: (table) => `
      update ${table} m
      set end_date = clock_timestamp(), updated_at = clock_timestamp()
      where m.id = any (array(select k.id from bench.known_mappings k where k.place between $1 and $2))`,
  },
]

/** New rows and known ones from all over the table in no order, by place; and the copy, with the same rows. */
async function prepare(sql: Sql, count: number): Promise<void> {
  await sql`drop table if exists bench.bare_mappings, bench.known_mappings, bench.new_mappings`
  await sql`
    create table bench.bare_mappings (
      like public.security_mappings including defaults including identity including indexes
    )`
  await sql`insert into bench.bare_mappings overriding system value select * from public.security_mappings`
  await sql`select setval(pg_get_serial_sequence('bench.bare_mappings', 'id'), max(id)) from bench.bare_mappings`
  await sql`
    create table bench.known_mappings as
    select m.*, row_number() over (order by hashint8(m.id)) as place
    from public.security_mappings m
    where m.end_date is null
    order by place
    limit ${count}`
  await sql`
    create table bench.new_mappings as
    select
      k.place, 'CUSIP' collate "C" as identifier_type, bench.unknown_cusip(k.place) as identifier_value,
      k.ticker, k.has_no_results, k.start_date, k.last_fetched_date,
      k.figi, k.composite_figi, k.share_class_figi, k.name, k.exch_code, k.security_type, k.security_type2, k.market_sector
    from bench.known_mappings k`
  await sql`create unique index on bench.known_mappings (place)`
  await sql`create unique index on bench.new_mappings (place)`
  await sql`vacuum (analyze) bench.bare_mappings, bench.known_mappings, bench.new_mappings, public.security_mappings`
  await sql`
    create or replace procedure bench.write(statement text, rows integer, each integer)
    language plpgsql
    as $$
    begin
      for place in 1 .. rows by each loop
        execute statement using place, place + each - 1;
      end loop;
    end
    $$`
}

/** Milliseconds of writing in one transaction, which is rolled back. */
async function timed(sql: Sql, statement: string, rows: number, each: number): Promise<number> {
  return await undone(sql, (transaction) =>
    wallTime(() => transaction`call bench.write(${statement}, ${rows}, ${each})`),
  )
}
