import { InvalidArgumentError } from 'commander'
import type { IdentifierType } from '../identifiers.ts'

/** The argument of --type. */
export function parseType(text: string): IdentifierType {
  const type = text.trim().toUpperCase()
  if (type === 'CUSIP' || type === 'ISIN') return type
  throw new InvalidArgumentError('It is CUSIP or ISIN.')
}
