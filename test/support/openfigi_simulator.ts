/**
 * A simulator of OpenFIGI's POST /v3/mapping for tests, benchmarks and the demo: a real HTTP server on 127.0.0.1 that
 * keeps the same limits, says the same errors and can be told to fail.
 * /v3/search, /v3/filter and /v3/mapping/values are not simulated: like any other path they are 404.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  accepts,
  checkJobs,
  checkRequest,
  isJob,
  type LimitOption,
  limitsOf,
  parseJobs,
  readBody,
} from './openfigi/checks.ts'
import { CONTROL_PATH, control } from './openfigi/control.ts'
import { type Fault, Faults } from './openfigi/faults.ts'
import { sendFault, sendJson, sendText } from './openfigi/reply.ts'
import { countAnswers, fingerprint, type LogEntry, RequestLog } from './openfigi/request_log.ts'
import { type Override, Universe, type UniverseOptions } from './openfigi/universe.ts'
import { FixedWindows, type Limit, limitHeaders } from './openfigi/window.ts'
import type { Job } from './openfigi/wire.ts'

export { knownSecurities } from './openfigi/known_securities.ts'
export { recordedFolder, replayRecorded } from './openfigi/recorded.ts'
export type { Fault, Job, Limit, LogEntry, Override, UniverseOptions }

type Latency = number | (() => number | Promise<number>)

export interface SimulatorOptions {
  port?: number | undefined
  /** The keys that are accepted; any but '' and 'INVALID' where nothing is said. */
  apiKeys?: readonly string[] | undefined
  /** One limit for all, or one with and one without a key: 25 per 6 s and 25 per 60 s. */
  limit?: LimitOption
  /** 100 with and 10 without a key. */
  jobsPerRequest?: { key?: number; noKey?: number } | undefined
  latencyMs?: Latency | undefined
  universe?: UniverseOptions | undefined
  /** The clock of windows and log, in milliseconds: monotonic, never the wall clock. */
  now?: (() => number) | undefined
  /** False for long benchmarks: the log then keeps counts instead of jobs. */
  logJobs?: boolean | undefined
}

export type Simulator = Awaited<ReturnType<typeof startSimulator>>

const MAPPING_PATH = '/v3/mapping'

export async function startSimulator(options: SimulatorOptions = {}) {
  const now = options.now ?? (() => performance.now())
  const limits = limitsOf(options.limit)
  const caps = { key: 100, noKey: 10, ...options.jobsPerRequest }
  const windows = new FixedWindows(now)
  const faults = new Faults()
  const universe = new Universe(options.universe ?? {})
  const log = new RequestLog(options.logJobs ?? true)
  const poisoned = new Set<string>()
  let latency = options.latencyMs ?? 0

  const isPoisoned = (job: Job) => poisoned.size > 0 && poisoned.has(String(job.idValue))

  /**
   * Every request to the mapping path takes one from the window, whatever becomes of it (400, 405, 413, 500 ...), save
   * 401 and 404, which carry no limit headers and so never met the limiter. Nobody recorded whether a 400 or 413 costs
   * one: a client that survives this does not depend on it. The headers go on 200 and 429, where they were recorded.
   */
  async function map(
    request: IncomingMessage,
    body: string,
    response: ServerResponse,
    entry: LogEntry,
    jobs: Job[] | null,
  ) {
    const refuse = (status: number, headers?: Record<string, string>) => {
      entry.status = status
      sendText(response, status, headers)
    }
    const key = request.headers['x-openfigi-apikey'] as string | undefined
    if (key !== undefined && !accepts(options.apiKeys, key)) return refuse(401)
    const kind = key === undefined ? 'noKey' : 'key'
    const caller = key === undefined ? `address ${request.socket.remoteAddress}` : `key ${entry.key}`
    const taken = windows.take(caller, limits[kind])
    const headers = limitHeaders(taken)
    const retryAfter = { 'retry-after': String(Math.ceil(taken.millisecondsLeft / 1000)) }
    if (!taken.accepted) return refuse(429, { ...headers, ...retryAfter })
    entry.counted = true

    const fault = faults.take((jobs ?? []).filter(isJob))
    entry.fault = fault?.kind ?? null
    if (fault?.status === 401 || fault?.status === 404) {
      windows.refund(caller)
      entry.counted = false
    }
    const delay = typeof latency === 'number' ? latency : await latency()
    if (delay > 0) await sleep(delay)
    if (fault?.kind === 'status') {
      const seconds =
        fault.retryAfter === undefined ? retryAfter : { 'retry-after': String(fault.retryAfter) }
      const said = fault.status === 429 ? { ...headers, ...seconds } : {}
      entry.status = await sendFault(response, fault, [], said)
      return
    }
    const wrong = checkRequest(request, body) ?? checkJobs(jobs, caps[kind], isPoisoned)
    if (wrong !== null && fault === null) return refuse(wrong)
    const answers = (wrong === null && jobs !== null ? jobs : []).map((job) => universe.answer(job))
    if (fault) {
      if (fault.kind === 'jobErrors') entry.errors += answers.length
      entry.status = await sendFault(response, fault, answers, headers)
      return
    }
    entry.status = 200
    countAnswers(entry, answers)
    sendJson(response, answers, headers)
  }

  async function handle(request: IncomingMessage, response: ServerResponse) {
    const method = request.method ?? ''
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const body = await readBody(request)
    if (path.startsWith(CONTROL_PATH)) return control(simulator, method, path, body, response)
    const jobs = path === MAPPING_PATH ? parseJobs(body) : null
    const key = fingerprint(request.headers['x-openfigi-apikey'] as string | undefined)
    const entry = log.add({ at: now(), method, path, key }, (jobs ?? []).filter(isJob))
    if (path === MAPPING_PATH) return map(request, body, response, entry, jobs)
    entry.status = 404
    sendText(response, 404)
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!request.destroyed) console.error('the simulator failed', error)
      response.destroy()
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })

  const simulator = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log: log.entries,
    filteredRequests: () => log.entries.filter((entry) => entry.filtered),
    /** The requests that asked for this value. */
    requestsFor: (idValue: string) =>
      log.entries.filter((entry) => entry.jobs.some((job) => String(job.idValue) === idValue)),
    countByStatus: () => log.countByStatus(),
    maxInWindow: (milliseconds: number, of?: readonly LogEntry[]) => log.maxInWindow(milliseconds, of),
    summary: () => log.summary(),
    /** The next request (or `times` of them) that matches goes wrong in this way. */
    fail: (fault: Fault) => faults.add(fault),
    pendingFaults: () => faults.pending,
    clearFaults: () => faults.clear(),
    /** Any request that contains this value is a bad request: what a client has to bisect. */
    poison: (idValue: string) => void poisoned.add(idValue),
    set: (idValue: string, override: Override) => universe.set(idValue, override),
    rename: (idValue: string, ticker: string) => universe.rename(idValue, ticker),
    setLatency: (latencyMs: Latency) => {
      latency = latencyMs
    },
    /** As if newly started, on the same port. */
    reset: () => {
      log.entries.length = 0
      windows.clear()
      faults.clear()
      universe.clear()
      poisoned.clear()
      latency = options.latencyMs ?? 0
    },
    close: async () => {
      if (!server.listening) return
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
  return simulator
}

/** Runs a test body against a simulator of its own and closes it whatever happens. */
export async function withSimulator(options: SimulatorOptions, body: (sim: Simulator) => Promise<void>) {
  const sim = await startSimulator(options)
  try {
    await body(sim)
  } finally {
    await sim.close()
  }
}
