import { connect, type Sql } from './connect.ts'
import { within } from './deadline.ts'

/** Notifications take milliseconds; a machine that is short of breath may take longer. */
const longestWayMs = 5_000

/**
 * Whether what another connection notifies reaches this one, which must be a single connection: behind a transaction pooler
 * LISTEN succeeds, and nothing ever arrives. `heard` resolves when something came on the channel.
 */
export async function provesNotifications(
  listener: Sql,
  url: string,
  channel: string,
  heard: Promise<void>,
): Promise<boolean> {
  await within(longestWayMs, 'The listening connection', listener`listen ${listener(channel)}`)
  const other = connect(url, { max: 1, prepare: false, applicationName: 'pgfigi listener' })
  try {
    await within(longestWayMs, 'The database', other`select pg_notify(${channel}, '')`)
    return await Promise.race([
      heard.then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, longestWayMs, false).unref()),
    ])
  } finally {
    await other.end({ timeout: 1 })
  }
}
