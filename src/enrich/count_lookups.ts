import type { Counting } from '../counting/tally.ts'
import type { Identifier } from '../identifiers.ts'
import { type Answer, isOpen } from './answer.ts'

/**
 * Counts what a file looked up in the database: every identifier as often as the database was asked for it, which is not for
 * each of its rows. What is open and fetched is answered by OpenFIGI.
 */
export function countFileLookups(
  counting: Counting,
  identifiers: readonly Identifier[],
  answers: readonly Answer[],
  { isFetching }: { isFetching: boolean },
): void {
  for (const [n, answer] of answers.entries()) {
    const { type } = identifiers[n] as Identifier
    const source = isFetching && isOpen(answer) ? 'openfigi' : 'database'
    counting.add('lookups', { type, status: answer.status, source })
  }
}

/** For a client that fetches what has been looked up, and counted, already. */
export function withoutLookups(counting: Counting): Counting {
  return {
    add(counter, labels, count) {
      if (counter !== 'lookups') counting.add(counter, labels, count)
    },
  }
}
