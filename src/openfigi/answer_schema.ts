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

/** Longer than any ticker, FIGI or type that there is: those recorded have up to 30 characters, and names up to 60. */
const longestCode = 100
const longestProse = 1000

/** The widest identifier that is known has 255. */
const mostListings = 10_000

/** Not by zod's own `max`, which also looks at the length of what is no text. */
const atMost = (characters: number) => (text: string) => text.length <= characters

/** A ticker and its like: nothing in it that nobody sees, nor what Postgres cannot store. */
const code = z
  .string()
  .trim()
  .refine(atMost(longestCode))
  .refine((text) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(text))

/** A name: blanks of all kinds are one; control characters and half surrogate pairs cannot be stored. */
const prose = z
  .string()
  .refine(atMost(longestProse))
  .transform((text) => text.replace(/\s+/g, ' ').trim())
  .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text))

/** Missing, null and blank are one and the same: not known. */
const optional = (text: typeof code | typeof prose) => text.nullish().transform((value) => value || null)

const listingSchema: z.ZodType<Listing> = z.object({
  figi: code.refine((text) => text !== ''),
  ticker: optional(code),
  name: optional(prose),
  exchCode: optional(code),
  compositeFIGI: optional(code),
  shareClassFIGI: optional(code),
  securityType: optional(code),
  securityType2: optional(code),
  marketSector: optional(code),
  securityDescription: optional(prose),
})

const elementSchema = z.object({
  data: z.array(z.unknown()).nullish(),
  warning: z.string().nullish(),
  error: z.string().nullish(),
})

/**
 * The answers to so many jobs, in their order: nothing in an answer names its job. Throws where the answer as a whole
 * cannot be trusted; a faulty element is an error for its own job only. `faultsOf` tells what was wrong with the text of
 * elements, by their places, where the answer as a whole is right.
 */
export function readAnswers(
  body: unknown,
  jobs: number,
  secret?: string,
  faultsOf: () => ReadonlyMap<number, string> = () => new Map(),
): Answer[] {
  if (!Array.isArray(body)) {
    throw new OpenFigiResponseError(`OpenFIGI sent no array of answers, but ${quoteJson(body, secret)}`)
  }
  if (body.length !== jobs) {
    throw new OpenFigiResponseError(`OpenFIGI sent ${body.length} answers to ${jobs} jobs`)
  }
  const faults = faultsOf()
  return body.map((element, place) => {
    const fault = faults.get(place)
    return fault === undefined ? readAnswer(element, secret) : malformed(element, secret, `, ${fault}`)
  })
}

function readAnswer(element: unknown, secret?: string): Answer {
  const parsed = elementSchema.safeParse(element)
  if (!parsed.success) return malformed(element, secret)
  const { data, warning, error } = parsed.data
  if (error != null) return { kind: 'error', message: `OpenFIGI says: ${quote(error, secret)}` }
  const saysNone = warning != null && /^No identifier found\.?$/.test(warning.trim())
  if (data?.length === 0) return { kind: 'error', message: 'OpenFIGI sent an empty list of listings' }
  if (data && saysNone) return malformed(element, secret, ', listings and that there are none')
  if (data) return readListings(data, secret)
  if (saysNone) return { kind: 'none' }
  if (warning == null) return malformed(element, secret)
  return { kind: 'error', message: `OpenFIGI warns: ${quote(warning, secret)}` }
}

/** One at a time, to the first that is none: a list of faults would be longer than the answer. */
function readListings(data: readonly unknown[], secret?: string): Answer {
  if (data.length > mostListings) {
    return { kind: 'error', message: `OpenFIGI sent ${data.length} listings for one identifier` }
  }
  const listings: Listing[] = []
  for (const element of data) {
    const parsed = listingSchema.safeParse(element)
    if (!parsed.success) {
      const where = String(parsed.error.issues[0]?.path.join('.') || 'the whole of it')
      return malformed(element, secret, `, in a listing (${where})`)
    }
    listings.push(parsed.data)
  }
  return { kind: 'listings', listings }
}

function malformed(element: unknown, secret?: string, what = ''): Answer {
  return { kind: 'error', message: `OpenFIGI sent a malformed answer${what}: ${quoteJson(element, secret)}` }
}

/** JSON.parse takes any depth; JSON.stringify goes only as deep as the stack. */
function quoteJson(value: unknown, secret?: string): string {
  try {
    return quote(JSON.stringify(value) ?? 'nothing', secret)
  } catch {
    return 'nested too deep to be quoted'
  }
}
