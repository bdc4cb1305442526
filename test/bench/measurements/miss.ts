import type { Measurement } from '../harness.ts'
import { wallTime } from '../statement.ts'

const calls = 5000
const undone = Symbol('undone')

/** One lookup after the other within one transaction, inside the server: what a miss costs, with its request, against a hit. */
export const miss: Measurement = {
  name: 'miss',
  async comparisons({ sql, size }) {
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
    const lookUp = async (values: string[]) => {
      let measured = Number.NaN
      await sql
        .begin(async (transaction) => {
          measured = await wallTime(() => transaction`call bench.look_up(${values})`)
          throw undone
        })
        .catch((error) => {
          if (error !== undone) throw error
        })
      return measured
    }
    return [
      {
        title: `${calls} misses against ${calls} hits, in one transaction`,
        kind: 'time',
        target: 4,
        baseline: () => lookUp(hits),
        ours: () => lookUp(misses),
        restore: () => sql`vacuum figi_private.fetch_requests`,
      },
    ]
  },
}
