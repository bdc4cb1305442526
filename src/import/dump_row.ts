import { z } from 'zod'
import { shown } from './records.ts'

const text = z.string().nullish()

/** Begins with a year: Postgres would also take `now`, `infinity` and the like. */
const instant = z
  .string()
  .regex(/^\d{4,6}-\d\d-\d\d[T ]?[\d:.+-]*Z?$/)
  .nullish()

/** Beyond, JSON knows no whole numbers; the sequence goes on behind the largest, and must not come to its end. */
const id = z.int().positive().nullish()

const schemas = {
  security_mappings: z.object({
    id,
    ...{ identifier_type: text, identifier_value: text, ticker: text, source: text },
    ...{ start_date: instant, end_date: instant, last_fetched_date: instant, created_at: instant },
    ...{ updated_at: instant, figi: text, composite_figi: text, share_class_figi: text, name: text },
    ...{ exch_code: text, security_type: text, security_type2: text, market_sector: text },
    has_no_results: z.boolean().nullish(),
    is_derived: z.boolean().nullish(),
    alternatives: z.array(z.unknown()).nullish(),
  }),
  sightings: z.object({
    ...{ identifier_type: text, identifier_value: text, ticker: text, source: text },
    ...{ seen: text, held: text, details_at: instant },
    details: z.record(z.string(), z.string()).nullish(),
  }),
}

/** What keeps a row of a dump from being one, in a sentence without its full stop; null where nothing does. The database looks at the rest. */
export function problemOfRow(
  table: keyof typeof schemas,
  row: Readonly<Record<string, unknown>>,
): string | null {
  const parsed = schemas[table].safeParse(row)
  if (parsed.success) return null
  const column = String(parsed.error.issues[0]?.path[0])
  return `its ${column} cannot be ${shown(row[column])}`
}
