import type { AddressInfo } from 'node:net'
import type { Logger as PinoLogger } from 'pino'
import type { Config, PageSettings } from '../config.ts'
import { latestMigration } from '../database/migrations_folder.ts'
import { PageListenError } from '../errors/page_listen_error.ts'
import { packageVersion } from '../package_version.ts'
import { Access, requireGuarded } from './access.ts'
import type { App } from './app.ts'
import { readCrontab } from './crontab.ts'
import type { PaceOptions } from './pace.ts'
import { createPageData } from './page_data.ts'
import { PageDatabase } from './page_database.ts'
import { Pages } from './pages.ts'
import { createServer } from './server.ts'

/** The page, until it is disposed of: within a few seconds, requests under way included. */
export interface RunningPage extends AsyncDisposable {
  /** Where to look at it. */
  readonly url: string
}

export interface PageOptions {
  readonly allowActions: boolean
  readonly logger: PinoLogger
  readonly pace?: PaceOptions
}

const defaultPort = 8080

/** Requests under way may end for so long. */
const patienceMs = 3000

/**
 * Serves the page of a database, which need not answer yet. Throws a ConfigError where nothing guards the page and others
 * could reach it, and a PageListenError where it cannot listen.
 */
export async function startPage(config: Config, url: string, options: PageOptions): Promise<RunningPage> {
  const { allowActions, logger, pace } = options
  requireGuarded(config.page)
  const database = new PageDatabase({
    url,
    readUrl: config.databaseReadUrl,
    maxReplicaLagSeconds: config.client.maxReplicaLagSeconds,
    prepare: config.client.prepare,
    logger,
  })
  const version = packageVersion()
  const parts = {
    access: new Access(config.page),
    data: createPageData({
      database,
      latestMigration: await latestMigration(),
      crontab: await readCrontab(),
    }),
    pages: new Pages({ allowActions, version }),
    allowActions,
    version,
  }
  const app = await createServer(parts, logger, pace)
  try {
    await listen(app, config.page)
  } catch (error) {
    await app.close()
    throw error
  }
  return {
    url: urlOf(app, config.page),
    async [Symbol.asyncDispose]() {
      const cutOff = setTimeout(() => app.server.closeAllConnections(), patienceMs)
      await app.close()
      clearTimeout(cutOff)
      await database[Symbol.asyncDispose]()
    },
  }
}

async function listen(app: App, { host, port = defaultPort }: PageSettings): Promise<void> {
  try {
    await app.listen({ host, port, listenTextResolver: (address) => `The page is on ${address}` })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new PageListenError(sentenceOf(code, message, host, port), code, { cause: error })
  }
}

function sentenceOf(code: string | undefined, message: string, host: string, port: number): string {
  const choose = '--port or PGFIGI_PAGE_PORT'
  if (code === 'EADDRINUSE')
    return `The page cannot listen: port ${port} on ${host} is in use. Choose another with ${choose} (0 picks a free one).`
  if (code === 'EACCES')
    return `The page cannot listen: port ${port} needs rights that this user has not. Choose one from 1024 with ${choose}.`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `The page cannot listen: ${host} is no address of this machine. Choose one with --host or PGFIGI_PAGE_HOST.`
  return `The page cannot listen on ${host}, port ${port}: ${message}.`
}

function urlOf(app: App, { host }: PageSettings): string {
  const { port } = app.server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
