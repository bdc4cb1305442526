import { z } from 'zod'
import { OpenFigiResponseError } from '../errors/openfigi_response_error.ts'
import type { Listing } from './listing.ts'
import { quote } from './quote.ts'

/** What OpenFIGI says about one job. */
export type Answer =
  | { readonly kind: 'listings'; readonly listings: Listing[] }
  /** "No identifier found.": the only negative there is. */
  | { readonly kind: 'none' }
  /** Anything else. Never to be taken for a negative. */
  | { readonly kind: 'error'; readonly message: string }

/** Postgres cannot store U+0000 in text, nor half a surrogate pair in jsonb. */
const text = z
  .string()
  .refine((value) => !value.includes('\0') && value.isWellFormed(), 'cannot be stored as text')

/** Missing, null and blank are one and the same: not known. */
const optionalText = text.nullish().transform((value) => value?.trim() || null)

const listingSchema: z.ZodType<Listing> = z.object({
  figi: text.trim().min(1),
  ticker: optionalText,
  name: optionalText,
  exchCode: optionalText,
  compositeFIGI: optionalText,
  shareClassFIGI: optionalText,
  securityType: optionalText,
  securityType2: optionalText,
  marketSector: optionalText,
  securityDescription: optionalText,
})

const elementSchema = z.object({
  data: z.array(listingSchema).nullish(),
  warning: z.string().nullish(),
  error: z.string().nullish(),
})

/**
 * The answers to so many jobs, in their order: nothing in an answer names its job. Throws where the answer as a whole
 * cannot be trusted; a faulty element is an error for its own job only.
 */
export function readAnswers(body: unknown, jobs: number, secret?: string): Answer[] {
  if (!Array.isArray(body)) {
    throw new OpenFigiResponseError(`OpenFIGI sent no array of answers, but ${quoteJson(body, secret)}`)
  }
  if (body.length !== jobs) {
    throw new OpenFigiResponseError(`OpenFIGI sent ${body.length} answers to ${jobs} jobs`)
  }
  return body.map((element) => readAnswer(element, secret))
}

function readAnswer(element: unknown, secret?: string): Answer {
  const parsed = elementSchema.safeParse(element)
  if (!parsed.success) return malformed(element, secret)
  const { data, warning, error } = parsed.data
  if (error != null) return { kind: 'error', message: `OpenFIGI says: ${quote(error, secret)}` }
  if (data?.length === 0) return { kind: 'error', message: 'OpenFIGI sent an empty list of listings' }
  if (data) return { kind: 'listings', listings: data }
  if (warning == null) return malformed(element, secret)
  if (/^No identifier found\.?$/.test(warning.trim())) return { kind: 'none' }
  return { kind: 'error', message: `OpenFIGI warns: ${quote(warning, secret)}` }
}

function malformed(element: unknown, secret?: string): Answer {
  return { kind: 'error', message: `OpenFIGI sent a malformed answer: ${quoteJson(element, secret)}` }
}

function quoteJson(value: unknown, secret?: string): string {
  return quote(JSON.stringify(value) ?? 'nothing', secret)
}
