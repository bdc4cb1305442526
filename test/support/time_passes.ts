import type { Sql } from 'postgres'

/**
 * As if so much time had passed: whatever instant pgfigi and its worker keep in the database lies that much further back. What
 * the triggers keep in step (mapping_counts) follows by itself; blocked budgets open, leases run out, counts are of earlier minutes.
 */
export async function timePasses(sql: Sql, interval: string): Promise<void> {
  const tables = await sql<{ table: string; changes: string }[]>`
    select
      format('%I.%I', c.table_schema, c.table_name) as table,
      string_agg(
        format(
          case c.data_type
            when 'ARRAY' then '%1$I = array(select a.at - %2$L::interval from unnest(%1$I) with ordinality as a (at, place) order by a.place)'
            else '%1$I = %1$I - %2$L::interval'
          end,
          c.column_name, ${interval}::text
        ),
        ', '
      ) as changes
    from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
    where t.table_type = 'BASE TABLE'
      and c.udt_name in ('timestamptz', '_timestamptz')
      and c.is_generated = 'NEVER'
      and c.table_schema in ('figi_private', 'public', 'graphile_worker')
      and c.table_name <> 'mapping_counts'
    group by c.table_schema, c.table_name`
  for (const { table, changes } of tables) {
    await sql.begin(async (transaction) => {
      // The whole table first, so that nobody who locks its rows in another order can wait for us in turn.
      await transaction.unsafe(`lock table ${table} in share row exclusive mode`)
      await transaction.unsafe(`update ${table} set ${changes}`)
    })
  }
}
