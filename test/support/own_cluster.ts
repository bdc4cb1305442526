import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { processExists } from '../../src/database/embedded_users.ts'
import { makeClusterHome, removeHome, throwawaySettings } from './cluster.ts'
import { migrateToNow } from './template.ts'

/** A migrated database in a server of its own, which can be stopped the hard way and started again. */
export interface OwnCluster {
  readonly url: string
  /** As pg_ctl stop -m immediate: sessions are cut off, nothing is finished. */
  stop(): Promise<void>
  /** Starts it again on the same port. */
  start(): Promise<void>
  /** What the server has logged. */
  log(): Promise<string>
}

export interface OwnClusterOptions {
  readonly password?: string
  /** Of the server, besides those of all throwaway clusters. */
  readonly settings?: Readonly<Record<string, string>>
}

export async function withOwnCluster(
  work: (cluster: OwnCluster) => Promise<void>,
  own: OwnClusterOptions = {},
): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'own-cluster-'))
  await makeClusterHome(home, own.password)
  // What is committed has to survive the stop, though not a crash of the machine.
  const settings = { ...throwawaySettings, synchronous_commit: 'on', ...own.settings }
  const acquire = () => acquireEmbedded({ home, settings })
  let embedded = await acquire()
  const { url } = embedded
  try {
    await migrateToNow(url)
    await work({
      url,
      async stop() {
        const pid = Number((await readFile(join(home, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])
        process.kill(pid, 'SIGQUIT')
        while (processExists(pid)) await sleep(20)
      },
      async start() {
        embedded = await acquire()
        if (embedded.url !== url) throw new Error(`the server came back as ${new URL(embedded.url).port}`)
      },
      log: () => readFile(join(home, 'postgres.log'), 'utf8'),
    })
  } finally {
    await embedded.release()
    await removeHome(home)
  }
}
