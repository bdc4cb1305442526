import { inspect } from 'node:util'
import { quote } from './quote.ts'

const everything = {
  depth: Number.POSITIVE_INFINITY,
  maxArrayLength: null,
  maxStringLength: null,
  showHidden: true,
}

/**
 * The error as it is, unless the secret shows anywhere in it (message, stack, properties, causes): then a plain copy of
 * its name, code and message without the secret. Proxies and mocks put request headers into what they throw.
 */
export function withoutSecret(error: unknown, secret: string | undefined): unknown {
  if (!secret || !inspect(error, everything).includes(secret)) return error
  const copy = new Error(quote(error instanceof Error ? error.message : String(error), secret))
  copy.name = error instanceof Error ? quote(error.name, secret) : 'Error'
  delete copy.stack
  return Object.assign(copy, { code: quote(codeOf(error), secret) })
}

/** The code that Node and undici put on their errors ('ECONNRESET', 'UND_ERR_SOCKET'); '' where there is none. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  return typeof code === 'string' ? code : ''
}
