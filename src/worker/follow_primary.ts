import type { ServerChoice } from '../database/choose_server.ts'
import { sleepFor } from '../waiting.ts'

/** A standby that was promoted is found out about as soon as that. */
const lookEveryMs = 2_000

/** Resolves once the writes go to another server than that one; never where there is no choice. Rejects when the signal aborts. */
export async function primaryMoved(
  choice: ServerChoice | null,
  server: string,
  signal: AbortSignal,
): Promise<void> {
  if (!choice) return new Promise(() => {})
  for (;;) {
    await sleepFor(lookEveryMs, signal)
    const now = await choice.choose().catch(() => server) // while none takes writes there is nowhere to go
    if (now !== server) return
  }
}
