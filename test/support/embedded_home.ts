import { execFile } from 'node:child_process'
import { mkdtemp, readFile, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { processExists } from '../../src/processes.ts'
import { atEnd, makeHome, removeHome, throwawaySettings as settings } from './cluster.ts'

export const isRoot = process.getuid?.() === 0

/** A folder for an embedded database, deleted after; whatever still runs in it is killed. */
export async function withHome(work: (home: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'home-'))
  await makeHome(home)
  try {
    await work(home)
  } finally {
    const server = await serverPid(home)
    try {
      if (server) process.kill(server, 'SIGKILL')
    } catch {} // it has just ended by itself
    await removeHome(home)
  }
}

let made: Promise<string> | undefined

/** A home whose database exists already: a copy, because making one takes two seconds. */
export function withMadeHome(work: (home: string) => Promise<void>): Promise<void> {
  return withHome(async (home) => {
    made ??= makeDatabase()
    await promisify(execFile)('cp', ['-a', `${await made}/.`, home])
    await work(home)
  })
}

async function makeDatabase(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'made-'))
  atEnd(() => removeHome(home))
  await makeHome(home)
  await (await acquireEmbedded({ home, settings })).release()
  return home
}

/** The process of a home's PostgreSQL, if it runs. */
export async function serverPid(home: string): Promise<number | null> {
  const pid = Number.parseInt(
    await readFile(join(home, 'data', 'postmaster.pid'), 'utf8').catch(() => ''),
    10,
  )
  return processExists(pid) ? pid : null
}

/** The rows of one statement, by a session of its own. */
export async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return [...(await sql.unsafe(statement))].map((row) => ({ ...row }))
  } finally {
    await sql.end()
  }
}

/** Whose a home's data is. */
export async function ownerOf(home: string): Promise<{ uid: number; gid: number }> {
  const { uid, gid } = await stat(join(home, 'data'))
  return { uid, gid }
}
