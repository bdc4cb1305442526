import { cannotRead } from './cannot_read.ts'
import type { Source } from './source.ts'

/** A source that is named like any other, and says why it cannot be read once somebody tries to. */
export function unreadable(name: string, error: unknown): Source {
  return {
    name,
    size: 0,
    modifiedAt: 0,
    bytes: () => {
      throw cannotRead(name, error)
    },
  }
}
