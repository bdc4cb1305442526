import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenFIGIClient } from '../client.ts'
import { timeAtLimit } from '../openfigi/time_at_limit.ts'
import type { Context } from './context.ts'
import { counted, tell } from './output.ts'
import { duration, Progress } from './progress.ts'

const everyMs = 1_000

/** Fetches what is requested, by whomever, until nothing is left to claim, and shows how far it is; how many are left. */
export async function drain(client: OpenFIGIClient, context: Context): Promise<number> {
  const pending = await client.pendingRequests()
  using progress = new Progress(context, 'identifiers', pending)
  const done = new AbortController()
  const watching = context.stderr.isTTY ? watch(client, context, progress, pending, done.signal) : null
  try {
    await client.fetchRequested()
    context.signal.throwIfAborted()
  } finally {
    done.abort()
    await watching
  }
  const left = await client.pendingRequests()
  if (left > 0) {
    progress[Symbol.dispose]()
    tell(context, `${counted(left, 'identifier')} could not be fetched yet; a worker tries again.`)
  }
  return left
}

/** Moves the bar by what is still pending; others may add to it meanwhile. */
async function watch(
  client: OpenFIGIClient,
  context: Context,
  progress: Progress,
  atFirst: number,
  signal: AbortSignal,
): Promise<void> {
  const config = await context.config()
  let total = atFirst
  const show = (pending: number) => {
    total = Math.max(total, pending)
    progress.note(`OpenFIGI's limit takes ${duration(timeAtLimit(pending, config) / 1000)} at least`)
    progress.update(total - pending, total)
  }
  show(atFirst)
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => {})
    const pending = signal.aborted ? null : await client.pendingRequests().catch(() => null)
    if (pending !== null) show(pending)
  }
}
