import { withoutSecrets } from '../secrets.ts'

const longestQuote = 200

/** So much of a text is looked at: foreign ones have megabytes, which a quote must neither search nor keep in memory. */
const longestRead = 4096

/**
 * The beginning of a foreign text, fit for a message, a log line and a text column: at most 200 characters in one line,
 * without control characters or half surrogate pairs, and without the secret, should the server have echoed it.
 */
export function quote(text: string, secret?: string): string {
  const safe = withoutSecrets(beginningOf(text, secret), secret ? [secret] : [])
  const line = safe.replace(/[\p{Cc}\s]+/gu, ' ').trim()
  const isWhole = text.length <= longestRead && line.length <= longestQuote
  return isWhole ? line : `${line.slice(0, longestQuote - 3).toWellFormed()}...`
}

/** A copy, since a slice would keep the whole text; without a secret that the cut has halved. */
function beginningOf(text: string, secret = ''): string {
  const beginning = Buffer.from(text.slice(0, longestRead)).toString()
  if (text.length <= longestRead) return beginning
  let halved = secret.length - 1
  while (halved > 0 && !beginning.endsWith(secret.slice(0, halved))) halved -= 1
  const end = halved > 0 ? -halved : undefined
  return beginning.slice(0, end).replace(/postgres(ql)?:\/\/\S*$/i, '')
}
