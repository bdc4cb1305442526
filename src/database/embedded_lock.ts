import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { EmbeddedError } from '../errors/embedded_error.ts'

const PATIENCE_MS = 120_000
const PAUSE_MS = 40

/**
 * Runs `work` while no other process (and no other call in this one) does so for the same home.
 *
 * The lock is SQLite's exclusive lock on the empty file `home/lock`: a lock of the operating system's, so the kernel
 * takes it back from a holder that is killed, and there is no stale lock to detect, which cannot be done without a race
 * from a file that holds a pid. Node has SQLite built in but no flock; nothing is ever written to the file. A loopback
 * port would do too, but another program may own it, and an abstract socket exists on Linux only.
 */
export async function withHomeLock<T>(home: string, work: () => Promise<T>): Promise<T> {
  const database = await openLock(home)
  try {
    await lockExclusively(database, home)
    return await work()
  } finally {
    database.close()
  }
}

async function openLock(home: string): Promise<DatabaseSync> {
  try {
    // Root's home must let the server's user through; an ordinary user's is nobody else's business.
    await mkdir(home, { recursive: true, mode: process.getuid?.() === 0 ? 0o755 : 0o700 })
    // Not at the top: an older Node, which has none, is told so in a sentence (node_version.ts) before it gets here.
    const sqlite = await import('node:sqlite')
    return new sqlite.DatabaseSync(join(home, 'lock'), { timeout: 0 })
  } catch (cause) {
    throw notOurs(home, cause)
  }
}

async function lockExclusively(database: DatabaseSync, home: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      database.exec('begin exclusive')
      return
    } catch (error) {
      if (!isBusy(error)) throw notOurs(home, error)
      if (performance.now() > deadline) {
        throw new EmbeddedError(
          'locked',
          `Another pgfigi command has been starting or stopping the database in ${home} for two minutes; ` +
            `find it (\`ps aux | grep pgfigi\`) and end it.`,
          { cause: error },
        )
      }
      await sleep(PAUSE_MS)
    }
  }
}

function notOurs(home: string, cause: unknown): EmbeddedError {
  return new EmbeddedError(
    'foreign_home',
    `The folder ${home} cannot be written by this user: set PGFIGI_HOME to a folder of your own, or set DATABASE_URL.`,
    { cause },
  )
}

function isBusy(error: unknown): boolean {
  const SQLITE_BUSY = 5
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY
}
