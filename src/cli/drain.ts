import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenFIGIClient } from '../client.ts'
import { Patience } from '../database/patience.ts'
import type { QueueSize } from '../database/warming.ts'
import { timeAtLimit } from '../openfigi/time_at_limit.ts'
import type { Context } from './context.ts'
import { counted, printable, tell } from './output.ts'
import { duration, Progress } from './progress.ts'

const everyMs = 1_000

/**
 * Fetches what is requested, by whomever, until nothing is left to claim, and shows how far it is; what is left, and what gave
 * up meanwhile, it says.
 */
export async function drain(client: OpenFIGIClient, context: Context): Promise<QueueSize> {
  let makeRoom = () => {}
  const patience = new Patience({
    signal: context.signal,
    onAway: (sentence) => {
      makeRoom()
      tell(context, printable(sentence))
    },
  })
  const { waiting: pending, gaveUp } = await patience.run(() => client.pendingRequests())
  using progress = new Progress(context, 'identifiers', pending)
  makeRoom = () => progress.makeRoom()
  const done = new AbortController()
  const watching = context.stderr.isTTY ? watch(client, context, progress, pending, done.signal) : null
  try {
    await patience.run(() => client.fetchRequested())
    context.signal.throwIfAborted()
  } finally {
    done.abort()
    await watching
  }
  const left = await patience.run(() => client.pendingRequests())
  progress[Symbol.dispose]()
  const failed = { waiting: left.waiting, gaveUp: Math.max(0, left.gaveUp - gaveUp) }
  if (failed.waiting > 0)
    tell(context, `${counted(failed.waiting, 'identifier')} could not be fetched yet; a worker tries again.`)
  if (failed.gaveUp > 0) {
    const noun = counted(failed.gaveUp, 'identifier')
    tell(context, `${noun} gave up: OpenFIGI answered with an error each time. Ask again after a minute.`)
  }
  return failed
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
    const size = signal.aborted ? null : await client.pendingRequests().catch(() => null)
    if (size !== null) show(size.waiting)
  }
}
