import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { processExists } from '../../src/processes.ts'
import { makeClusterHome, removeHome, throwawaySettings } from './cluster.ts'
import { migrateToNow } from './template.ts'

/** A migrated database in a server of its own, which can be stopped the hard way and started again. */
export interface OwnCluster {
  readonly url: string
  /** As pg_ctl stop -m immediate: sessions are cut off, nothing is finished. */
  stop(): Promise<void>
  /** SIGKILL of the server itself, whose sessions then end by themselves. */
  kill(): Promise<void>
  /** SIGKILL of one session: the server ends all the others, and recovers by itself. */
  killSession(pid: number): Promise<void>
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

/** Ends the server of a home by that signal, and waits until it is gone. */
export async function endServer(home: string, signal: NodeJS.Signals): Promise<void> {
  const pid = Number((await readFile(join(home, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])
  process.kill(pid, signal)
  while (processExists(pid)) await sleep(20)
}

export async function withOwnCluster(
  work: (cluster: OwnCluster) => Promise<void>,
  own: OwnClusterOptions = {},
): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'own-cluster-'))
  await makeClusterHome(home, own.password)
  // What is committed has to survive the stop, though not a crash of the machine.
  const settings = { ...throwawaySettings, synchronous_commit: 'on', ...own.settings }
  await using users = new AsyncDisposableStack()
  users.defer(() => removeHome(home))
  const acquire = async () => users.use(await acquireEmbedded({ home, settings }))
  const { url } = await acquire()
  const log = () => readFile(join(home, 'postgres.log'), 'utf8')
  const recoveries = async () => (await log()).split('database system is ready to accept connections').length
  await migrateToNow(url)
  await work({
    url,
    stop: () => endServer(home, 'SIGQUIT'),
    kill: () => endServer(home, 'SIGKILL'),
    async killSession(pid) {
      const before = await recoveries()
      process.kill(pid, 'SIGKILL')
      while ((await recoveries()) === before) await sleep(20)
    },
    async start() {
      const again = await acquire()
      if (again.url !== url) throw new Error(`the server came back as ${new URL(again.url).port}`)
    },
    log,
  })
}
