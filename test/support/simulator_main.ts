/**
 * The simulator as a process of its own:
 *   node test/support/simulator_main.ts --port 0 --limit 25/1200ms --latency 300
 * Prints `listening http://127.0.0.1:PORT` and runs until SIGTERM or SIGINT.
 */

import { parseArgs } from 'node:util'
import { type Limit, startSimulator } from './openfigi_simulator.ts'

const HELP = `node test/support/simulator_main.ts
  --port 0                 0 picks a free one
  --limit 25/1200ms        requests per window with a key (s or ms)
  --limit-no-key 25/60s    the same without one; where missing, as --limit
  --latency 300            milliseconds before every answer, or 100-500 for any in between
  --keys a,b               accept these keys only
  --unknown-share 0.12     how much of the synthetic universe is unknown
  --inflate 255            at least so many listings for each stock
  --no-log-jobs            do not keep the jobs in the log (long benchmarks)`

function parseLimit(text: string | undefined): Limit | undefined {
  if (text === undefined) return undefined
  const [, requests, amount, unit] = /^(\d+)\/(\d+)(ms|s)$/.exec(text) ?? fault(`not a limit: ${text}`)
  return { requests: Number(requests), windowMs: Number(amount) * (unit === 's' ? 1000 : 1) }
}

function parseLatency(text: string): number | (() => number) {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? fault(`not a latency: ${text}`)
  if (to === undefined) return Number(from)
  return () => Number(from) + Math.random() * (Number(to) - Number(from))
}

function parseNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  return text !== '' && number >= 0 ? number : fault(`not a number: ${text}`)
}

function fault(message: string): never {
  console.error(`${message}\n${HELP}`)
  process.exit(2)
}

function parseOptions() {
  try {
    return parseArgs({
      options: {
        port: { type: 'string', default: '0' },
        limit: { type: 'string' },
        'limit-no-key': { type: 'string' },
        latency: { type: 'string', default: '0' },
        keys: { type: 'string' },
        'unknown-share': { type: 'string' },
        inflate: { type: 'string' },
        'no-log-jobs': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    return fault(error instanceof Error ? error.message : String(error))
  }
}

const values = parseOptions()
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const limit = parseLimit(values.limit)
const sim = await startSimulator({
  port: parseNumber(values.port),
  limit: { key: limit, noKey: parseLimit(values['limit-no-key']) ?? limit },
  latencyMs: parseLatency(values.latency),
  apiKeys: values.keys?.split(','),
  universe: { unknownShare: parseNumber(values['unknown-share']), inflate: parseNumber(values.inflate) },
  logJobs: !values['no-log-jobs'],
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void sim.close())
console.log(`listening ${sim.url}`)
