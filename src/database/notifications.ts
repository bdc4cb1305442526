import { randomUUID } from 'node:crypto'
import { connect, pooled, type Sql } from './connect.ts'
import { within } from './deadline.ts'

/** Notifications take milliseconds; a machine that is short of breath may take longer. */
const longestWayMs = 5_000

export interface Listening {
  /** One connection that stays, in whose session LISTEN can be said. */
  readonly sql: Sql
  /** Whether a notification of another connection comes through: behind a transaction pooler LISTEN succeeds, and none ever does. */
  hears(): Promise<boolean>
}

/** Opens a connection of its own for notifications; the driver's listen() does not tell when it is lost. */
export function openListening(
  url: string,
  { onNotice = () => {}, onClose = () => {} }: { onNotice?: () => void; onClose?: () => void } = {},
): Listening {
  const hello = `pgfigi_${randomUUID()}`
  const heard = Promise.withResolvers<true>()
  const options = {
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 5,
    prepare: false,
    fetch_types: false,
    onnotice: () => {},
    onclose: onClose,
    onnotify: (channel: string) => (channel === hello ? heard.resolve(true) : onNotice()),
    connection: { application_name: 'pgfigi listener' },
  }
  const sql = pooled(url, options)
  return {
    sql,
    async hears() {
      await within(longestWayMs, 'The listening connection', sql`listen ${sql(hello)}`)
      const other = connect(url, { max: 1, prepare: false, applicationName: 'pgfigi listener' })
      const { promise: late, resolve } = Promise.withResolvers<false>()
      const timer = setTimeout(resolve, longestWayMs, false)
      try {
        await within(longestWayMs, 'The database', other`select pg_catalog.pg_notify(${hello}, '')`)
        return await Promise.race([heard.promise, late])
      } finally {
        clearTimeout(timer)
        await other.end({ timeout: 1 })
      }
    },
  }
}
