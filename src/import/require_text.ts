import { ImportError } from '../errors/import_error.ts'

/** How gzip and zip begin, read as a text. */
const packed = ['\x1f\u2039', 'PK\x03\x04']

/** Throws an ImportError where the first characters of a file are those of no text that can be read. */
export function requireText(beginning: string, name: string): void {
  if (beginning.trim() === '') throw new ImportError(name, 'is empty.')
  if (packed.some((magic) => beginning.startsWith(magic)))
    throw new ImportError(name, 'is packed twice: unpack it once, and use what comes out.')
  if (beginning.includes('\0'))
    throw new ImportError(
      name,
      'is no text: a table, JSON or SEC file is needed, as it is or packed by gzip or zip.',
    )
}
