import { withoutSecrets } from '../secrets.ts'

const longestQuote = 200

/**
 * The beginning of a foreign text, fit for a message, a log line and a text column: at most 200 characters in one line,
 * without control characters or half surrogate pairs, and without the secret, should the server have echoed it.
 */
export function quote(text: string, secret?: string): string {
  const safe = withoutSecrets(text, secret ? [secret] : [])
  const line = safe.replace(/[\p{Cc}\s]+/gu, ' ').trim()
  return line.length > longestQuote
    ? `${line.slice(0, longestQuote - 3).toWellFormed()}...`
    : line.toWellFormed()
}
