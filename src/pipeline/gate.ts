import type { SharedBudget } from '../database/shared_budget.ts'

/** A budget that tells when nobody in this process waits for it: only then is it time to claim more. */
export interface Gate extends SharedBudget {
  /** Resolves as soon as nobody waits for a slot. */
  idle(): Promise<void>
}

/** So late claims keep every request full, and let an urgent miss overtake what could wait. */
export function createGate(budget: SharedBudget): Gate {
  let waiting = 0
  let idlers: (() => void)[] = []

  return {
    async acquire(signal) {
      waiting += 1
      try {
        await budget.acquire(signal)
      } finally {
        waiting -= 1
        if (waiting === 0) {
          for (const resolve of idlers) resolve()
          idlers = []
        }
      }
    },
    openSlots: () => budget.openSlots(),
    block: (milliseconds) => budget.block(milliseconds),
    exhausted: (milliseconds) => budget.exhausted(milliseconds),
    async idle() {
      while (waiting > 0) await new Promise<void>((resolve) => idlers.push(resolve))
    },
  }
}
