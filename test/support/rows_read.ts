import type { ISql } from 'postgres'

/** How many rows of pgfigi's tables, and entries of their indexes, this transaction has read so far, however long that took. */
export async function rowsRead(sql: ISql): Promise<number> {
  const [row] = await sql<{ rows: number }[]>`
    select sum(pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid))::float8 as rows
    from pg_class c
    where c.relkind in ('r', 'i')
      and c.relnamespace in ('public'::regnamespace, 'figi_private'::regnamespace)`
  return row?.rows ?? 0
}
