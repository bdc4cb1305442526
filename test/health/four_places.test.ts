import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Running } from '../cli/pgfigi.ts'
import { withNextVersion } from '../support/next_version.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { evaluateAlerts } from './alerts.ts'
import { breakTheDatabase, breakTheWork } from './breaking.ts'
import { type Installed, startAmong, untilUnwell } from './installed.ts'
import { mendEverything } from './mending.ts'
import { lookAt, type Said, type Seen } from './places.ts'
import { withServers } from './servers.ts'

const test = suite('health in all four places')

/** What each check says while everything is wrong at once, in their order. */
const wrong: Readonly<Record<string, readonly [Said['status'], RegExp]>> = {
  laws: ['fail', /periods_do_not_overlap \(CUSIP 037833100\), and 1 more/],
  migrations: ['fail', /at migration \d{6}, and pgfigi at \d{6}\. Run pgfigi migrate up/],
  worker_seen: ['fail', /A worker was seen \d+ min ago\. Start one/],
  oldest_request: ['warn', /The oldest lookup has waited for \d+ min; \d+ requests wait in all/],
  gave_up: ['warn', /^1 request gave up, the latest: CUSIP \w{9}, 'OpenFIGI says: Invalid idValue format\.'/],
  last_answer: ['warn', /OpenFIGI answered \d+ min ago, and requests have waited for \d+ min/],
  budget_blocked: ['warn', /Nothing is sent to OpenFIGI for another \d+ (s|min)/],
  key_refused: ['fail', /refused \d+ requests? within the last hour \(401 or 403\).*OPENFIGI_API_KEY/],
  rate_limited: ['fail', /answered \d\d requests within the last hour with 429/],
  stale_share: ['warn', /200 of \d+ current answers are older than 60 days\..*pgfigi refresh/],
  negative_share: ['fail', /Of the last hour's 60 answers 100% were .*seven days before 0%/],
  dead_jobs: ['warn', /held by a worker that is gone, the oldest since \d+ min\. pgfigi worker unlock/],
  failed_jobs: ['warn', /failed for good, the latest fetch_mappings: 'OpenFIGI does not accept the API key/],
  replica_lag: ['fail', /1 replica follows; the slowest, \S+, is \d+ (s|min) behind/],
  bloat: ['fail', /86% of the rows of figi_private\.actions \(\d+ MB\) are dead\. Run: vacuum/],
  connections: ['warn', /^\d+ of \d+ connections are in use/],
  settings: ['warn', /pgfigi\.health_gave_up_fail is no number: 'many'/],
}

const severity = { ok: 0, warn: 1, fail: 2 } as const

const simulated = {
  apiKeys: ['good-key'],
  limit: { requests: 100_000, windowMs: 1000 },
  universe: { unknownShare: 0, bondShare: 0, foreignShare: 0 },
}

test('each check is failed by its real cause, is seen in every place, and is well again once that is mended', () =>
  withSimulator(simulated, (openfigi) =>
    withNextVersion(
      { message: 'the next version', body: 'create table figi_private.next_version ();' },
      (main) =>
        withServers(async (servers) => {
          const env = {
            DATABASE_URL: servers.url,
            OPENFIGI_API_URL: openfigi.url,
            OPENFIGI_API_KEY: 'good-key',
            OPENFIGI_RATE_LIMIT: '1000/1s',
          }
          const running: Running[] = []
          const installed: Installed = { ...servers, openfigi, main, env, running }
          const expected = Object.fromEntries(
            Object.entries(wrong).filter(([name]) => name !== 'replica_lag' || servers.replica),
          )
          try {
            const page = startAmong(running, ['serve', '--port', '0'], { main, env })
            const [url] = await Promise.all([page.firstLine(/^Page {2}(http:\S+)$/), breakTheWork(installed)])
            const left = await breakTheDatabase(installed)
            const failing = await seen(installed, url, expected)
            checkSeen(failing, expected, 1, 503)
            await mendEverything(installed, left)
            const well = await seen(installed, url, {})
            checkSeen(well, {}, 0, 200)
            await evaluateAlerts(
              failing.metrics,
              well.metrics,
              Object.fromEntries(
                Object.entries(expected).map(([name, [status]]) => [name, severity[status]]),
              ),
            )
          } finally {
            for (const { child } of running) child.kill('SIGKILL')
            await Promise.all(running.map(({ ended }) => ended))
          }
        }),
    ),
  ))

/** Waits until the database itself says so, then looks everywhere. */
async function seen({ url, main, env }: Installed, page: string, expected: typeof wrong): Promise<Seen> {
  await untilUnwell(url, namesOf(expected))
  return lookAt(page, main, env)
}

const namesOf = (expected: typeof wrong) =>
  Object.entries(expected).map(([name, [status]]) => `${name} ${status}`)

/** Each place says of each check what it should, and by its code whether one fails. */
function checkSeen(
  { command, readyz, front, metrics }: Seen,
  expected: typeof wrong,
  exit: number,
  code: number,
): void {
  assert.equal([command.code, readyz.code], [exit, code])
  for (const [place, checks] of Object.entries({ command: command.checks, readyz: readyz.checks, front })) {
    assert.is(checks.length, 17, place)
    const unexpected = checks.filter(({ name, status, sentence }) => {
      const [expectedStatus, says] = expected[name] ?? ['ok', /./]
      return status !== expectedStatus || !says.test(sentence)
    })
    assert.equal(unexpected, [], place)
  }
  const statuses = command.checks.map(({ name, status }) => [name, severity[status]])
  assert.equal(metrics, Object.fromEntries(statuses))
}

test.run()
