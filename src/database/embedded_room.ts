import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EmbeddedError } from '../errors/embedded_error.ts'

/** With less than that nothing of PostgreSQL's works. */
const leastBytes = 1_000_000

/** Whether nothing is left on the disk of a folder, or of the one where it would be made. */
export async function isDiskFull(folder: string): Promise<boolean> {
  const disk = await statfs(folder).catch(() => statfs(dirname(folder)).catch(() => null))
  return disk !== null && disk.bavail * disk.bsize < leastBytes
}

/** Whether that is what PostgreSQL's programs say. */
export function saysDiskFull(output: string): boolean {
  return /No space left on device|[Cc]heck free disk space|Disk quota exceeded/.test(output)
}

export function noRoom(folder: string, cause?: unknown): EmbeddedError {
  return new EmbeddedError(
    'no_room',
    `The disk of ${folder} is full, and a database takes 60 MB at least: free space, set PGFIGI_HOME to a folder on another disk, or set DATABASE_URL.`,
    { cause },
  )
}
