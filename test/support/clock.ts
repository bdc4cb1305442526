import { join } from 'node:path'
import { packageRoot } from './cluster.ts'

/** The environment for a program whose clock of the day is off, and jumps at SIGUSR2 (jumping_clock_main.ts). */
export function clockOff({ offsetMs = 0, jumpMs = 0 }: { offsetMs?: number; jumpMs?: number }) {
  return {
    NODE_OPTIONS: `--import ${join(packageRoot, 'test', 'support', 'jumping_clock_main.ts')}`,
    PGFIGI_TEST_CLOCK_OFFSET_MS: String(offsetMs),
    PGFIGI_TEST_CLOCK_JUMP_MS: String(jumpMs),
  }
}
