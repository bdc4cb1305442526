import { ImportError } from '../errors/import_error.ts'
import { whyNotRead } from '../read_fault.ts'

/** The ImportError for whatever the file system or the unpacking throws. */
export function cannotRead(name: string, error: unknown): ImportError {
  if (error instanceof ImportError) return error
  const { code = '', message: said } = error as NodeJS.ErrnoException
  const message = said.replace(/\.$/, '')
  if (code === 'Z_BUF_ERROR')
    return new ImportError(name, 'is cut off: what is packed in it ends in the middle.')
  if (code.startsWith('Z_')) return new ImportError(name, `cannot be unpacked: ${message}.`, { cause: error })
  return new ImportError(name, `cannot be read: ${whyNotRead(error)}.`, { cause: error })
}
