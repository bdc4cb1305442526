import { z } from 'zod'
import { range } from '../models.ts'

/** Of how long back the charts tell. */
export const chosenRange = z.object({ range: range.default('1h') })

/** Which requests for a fetch are listed. */
export const chosenState = z.object({ state: z.enum(['waiting', 'gave_up']).default('waiting') })
