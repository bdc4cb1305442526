import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeHome } from './cluster.ts'

/** The run's own folder for temporary files, deleted at its end. */
export async function makeRunFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pgfigi-run-'))
  await makeHome(folder) // opens it to the server's user where root runs the tests
  return folder
}

/** A test file's folder for temporary files. */
export async function makeTestFolder(runFolder: string): Promise<string> {
  const folder = await mkdtemp(join(runFolder, 'test-'))
  await makeHome(folder)
  return folder
}
