import { ImportError } from '../errors/import_error.ts'

/** Tables and caches shrink to a fifth, or a fiftieth where they repeat themselves. */
const mostTimes = 250

/** Less is read in a second or two, whatever it was packed in. */
const always = 256 * 1024 * 1024

/**
 * Throws an ImportError where more has come out of a packed file, in bytes, than records ever take in that little: it is made to
 * keep its reader busy for hours.
 */
export function requireProportion(name: string, unpacked: number, packed: number): void {
  if (unpacked > always && unpacked > mostTimes * packed)
    throw new ImportError(
      name,
      `unpacks to more than ${mostTimes} times its size, as no table or cache does. If it is one all the same, unpack it first.`,
    )
}
