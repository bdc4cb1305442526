import type { Context } from './context.ts'
import { tell } from './output.ts'
import type { Service } from './service.ts'
import { aborted } from './signals.ts'

/** Runs the service until it is interrupted (exit code 0) or its worker ends by itself (1). */
export async function runUntilInterrupted(
  service: Service,
  context: Context,
  whenReady: () => Promise<void>,
): Promise<number> {
  await using running = service
  await whenReady()
  await Promise.race([running.worker.ended, aborted(context.signal)])
  if (context.signal.aborted) {
    tell(context, 'Stopping ...')
    return 0
  }
  tell(context, 'The worker has ended by itself; the log says why.')
  return 1
}
