import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import autocannon from 'autocannon'
import { cleanEnvironment } from '../../support/clean_environment.ts'
import { packageRoot } from '../../support/cluster.ts'
import { afterMeasurement, interruption } from '../clean_up.ts'
import type { Comparison, Measurement } from '../harness.ts'
import { throughputOf } from '../lookups.ts'
import { ourQuery } from './single.ts'

const connections = 100
const lookups = {
  protocol: 'prepared',
  query: ourQuery,
  identifiers: 'known',
  clients: 4,
  seconds: 5,
} as const

/** What lookups lose while 100 connections load the page as fast as it lets them, the load's own processor time included. */
export const page: Measurement = {
  name: 'page',
  isDefault: false,
  async comparisons(database) {
    const url = await servePage(database.url)
    const against = (title: string, path: string): Comparison => ({
      title: `resolve_mapping, prepared, ${lookups.clients} sessions, while ${connections} connections load ${title}, against without them`,
      kind: 'throughput',
      target: 0.9,
      baseline: () => throughputOf(database, lookups),
      async ours() {
        const load = startLoad(`${url}${path}`)
        try {
          await sleep(2000) // it has started, and what went at once is through
          return await throughputOf(database, lookups)
        } finally {
          await load.stop()
        }
      },
    })
    return [
      against('its front', '/'),
      against('a search', '/search?q=AAPL'),
      against('the metrics', '/metrics'),
      against('a script', '/assets/htmx.min.js'),
    ]
  },
}

/** `pgfigi serve` as a process of its own; its address. */
async function servePage(databaseUrl: string): Promise<string> {
  const main = join(packageRoot, 'src', 'cli', 'main.ts')
  const child = spawn(process.execPath, [main, 'serve', '--port', '0'], {
    env: cleanEnvironment({ DATABASE_URL: databaseUrl, LOG_LEVEL: 'warn' }),
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: interruption.signal,
  })
  child.on('error', () => {}) // interrupted
  afterMeasurement(async () => {
    const ended = once(child, 'exit')
    if (child.kill('SIGTERM')) await ended
  })
  for await (const line of createInterface(child.stdout)) {
    const [, url] = /^Page +(\S+)$/.exec(line) ?? []
    if (url !== undefined) return url
  }
  throw new Error('the page did not start')
}

/** As many requests as come back: each connection sends its next when it has an answer. */
function startLoad(url: string): { stop(): Promise<void> } {
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const load = autocannon({ url, connections, duration: 600 }, () => resolve())
  const stop = async () => {
    load.stop()
    await ended
  }
  afterMeasurement(stop)
  return { stop }
}
