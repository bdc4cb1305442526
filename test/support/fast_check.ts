/**
 * fast-check with the same cases in each run of `npm test`, so that what fails there is the change; at length they are others
 * each time. A property that fails tells its seed, as does `caseSeed` whoever draws cases by himself; PGFIGI_TEST_MARK_SEED
 * gives another.
 */
import fc from 'fast-check'
import { isAtLength } from './at_length.ts'

export const caseSeed = Number(
  process.env.PGFIGI_TEST_MARK_SEED ?? (isAtLength ? Math.floor(Math.random() * 2 ** 31) : 20_261_122),
)

fc.configureGlobal({ seed: caseSeed })

export default fc
