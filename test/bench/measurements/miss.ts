import type { BenchDatabase } from '../database.ts'
import type { Measurement } from '../harness.ts'
import { undone } from '../rollback.ts'
import { wallTime } from '../statement.ts'

const calls = 5000

/** What a miss costs, with its request, against a hit. */
export const miss: Measurement = {
  name: 'miss',
  async comparisons(database) {
    const { sql, size } = database
    await sql`
      create or replace procedure bench.look_up(p_values text[])
      language plpgsql
      as $$
      declare
        v_value text;
        v_answer public.resolved_mapping;
      begin
        foreach v_value in array p_values loop
          select r.* into v_answer from public.resolve_mapping('CUSIP', v_value) r;
        end loop;
      end
      $$`
    const [{ hits, misses }] = await sql<[{ hits: string[]; misses: string[] }]>`
      select
        array_agg(bench.cusip(i::bigint * 611953 % ${size.cusips})) as hits,
        array_agg(bench.unknown_cusip(i)) as misses
      from generate_series(1, ${calls}) i`
    const lookUp = (values: string[]) =>
      undone(sql, (transaction) => wallTime(() => transaction`call bench.look_up(${values})`))
    const restore = async () => {
      await sql`truncate figi_private.fetch_requests`
      await sql`vacuum figi_private.fetch_requests`
    }
    return [
      {
        title: `${calls} misses against ${calls} hits, in one transaction`,
        kind: 'time',
        target: 4,
        baseline: () => lookUp(hits),
        ours: () => lookUp(misses),
        restore,
      },
      {
        title: `committing ${calls} misses against committing ${calls} hits (the flush)`,
        kind: 'time',
        target: null,
        baseline: () => commitTime(database, hits),
        ours: () => commitTime(database, misses),
        restore,
      },
    ]
  },
}

/** Milliseconds of the commit alone. */
async function commitTime({ sql }: BenchDatabase, values: string[]): Promise<number> {
  let lookedUp = Number.NaN
  await sql.begin(async (transaction) => {
    await transaction`call bench.look_up(${values})`
    lookedUp = performance.now()
  })
  return performance.now() - lookedUp
}
