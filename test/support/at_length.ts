/** Whether the faults are tried at length (`npm run test:faults`) or, as part of `npm test`, in short. */
export const isAtLength = process.env.PGFIGI_TEST_AT_LENGTH === '1'

/** How much of something: rounds, seconds, identifiers. */
export function amount(inShort: number, atLength: number): number {
  return isAtLength ? atLength : inShort
}
