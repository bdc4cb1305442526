import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import type { Binaries } from '../../src/database/embedded_binaries.ts'
import { databaseUrl, makeHome, removeHome, throwawaySettings } from './cluster.ts'

export interface Server {
  readonly title: string
  readonly binaries?: Binaries
}

export interface RunCluster extends AsyncDisposable {
  readonly url: string
}

export const packagedServer: Server = { title: 'the embedded PostgreSQL' }

const DEBIAN = '/usr/lib/postgresql'
const OLDEST = 14

/** What Debian and Ubuntu have installed. */
export async function otherServers(): Promise<Server[]> {
  const servers: Server[] = []
  for (const name of (await readdir(DEBIAN).catch(() => [])).sort()) {
    const bin = join(DEBIAN, name, 'bin')
    const binaries: Binaries = {
      initdb: join(bin, 'initdb'),
      pgCtl: join(bin, 'pg_ctl'),
      postgres: join(bin, 'postgres'),
      version: name,
      major: Number(name),
    }
    const isComplete = await Promise.all([access(binaries.initdb), access(binaries.postgres)]).then(
      () => true,
      () => false,
    )
    if (isComplete && binaries.major >= OLDEST)
      servers.push({ title: `PostgreSQL ${name} in ${bin}`, binaries })
  }
  return servers
}

/** A cluster for this run alone, deleted when disposed of. */
export async function startCluster({ binaries }: Server, runFolder: string): Promise<RunCluster> {
  const home = join(runFolder, `cluster-${binaries?.version ?? 'embedded'}`)
  await makeHome(home)
  const embedded = await acquireEmbedded({
    home,
    settings: throwawaySettings,
    ...(binaries ? { binaries } : {}),
  })
  return {
    url: databaseUrl(embedded.url, 'postgres'),
    async [Symbol.asyncDispose]() {
      await embedded.release()
      await removeHome(home)
    },
  }
}
