import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'

export interface BlockerWatch extends AsyncDisposable {
  /** Who was last in the way, in words; empty where nobody was. */
  readonly last: readonly string[]
}

/** Looks, several times a second and on a connection of its own, for whom the session `pid` waits. */
export function watchBlockers(
  sql: Sql,
  pid: number,
  onFirst: (names: readonly string[]) => void,
): BlockerWatch {
  const stop = new AbortController()
  let last: readonly string[] = []
  const watching = (async () => {
    while (!stop.signal.aborted) {
      const names = await blockersOf(sql, pid)
      if (names.length > 0) {
        if (last.length === 0) onFirst(names)
        last = names
      }
      await sleep(200, undefined, { signal: stop.signal })
    }
  })().catch(() => {}) // whoever waits finds out by itself that the server is gone
  return {
    get last() {
      return last
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await watching
    },
  }
}

/** The sessions that hold what `pid` waits for. What they run is shown to superusers and to their own role alone. */
async function blockersOf(sql: Sql, pid: number): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select
      case b.pid
        when 0 then 'a prepared transaction (see pg_prepared_xacts)'
        else pg_catalog.format(
          'session %s (%s)',
          b.pid,
          pg_catalog.concat_ws(', ', a.usename, nullif(a.application_name, ''), a.state, 'since ' || pg_catalog.date_trunc('second', a.xact_start)::text)
        )
      end as name
    from pg_catalog.unnest(pg_catalog.pg_blocking_pids(${pid})) as b (pid)
    left join pg_catalog.pg_stat_activity a on a.pid = b.pid
    group by b.pid, a.usename, a.application_name, a.state, a.xact_start
    order by b.pid`
  return rows.map(({ name }) => name)
}
