// runs alone: nine processes on few cores
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { testKey } from '../support/canaries.ts'
import { forkProgram } from '../support/child.ts'
import type { ClientAnswer } from '../support/client_process.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'

const test = suite('many processes that ask for the same')
const processes = 8
const known = makeCusip(5_000)

/** Each of the processes asks for all of them at once; what each was told. */
async function askTogether(options: object, inputs: readonly string[]): Promise<ClientAnswer[]> {
  await using stack = new AsyncDisposableStack()
  const children = await Promise.all(
    Array.from({ length: processes }, async () => stack.use(await forkProgram('client_process.ts', options))),
  )
  // One lookup each, so that all have loaded and connected when the race begins: one that comes late may ask for what the first has just been answered.
  await Promise.all(children.map((child) => child.ask({ inputs: [known] })))
  const answers = await Promise.all(children.map((child) => child.ask<ClientAnswer>({ inputs })))
  await Promise.all(children.map((child) => child.end('SIGTERM')))
  return answers
}

test('cost no more requests than one process would, and every process gets every answer', async () => {
  const inputs = Array.from({ length: 1000 }, (_, n) => makeCusip(n))
  await withSimulator({ limit: { requests: 25, windowMs: 1200 }, latencyMs: 300 }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await observe(sql, 'CUSIP', known, 'KNOWN')
      const options = { dbUrl: url, apiUrl: sim.url, apiKey: testKey, rateLimit: '25/1400ms' }
      const told = await askTogether(options, inputs)

      const filtered = sim.filteredRequests()
      const unfiltered = sim.log.filter((entry) => !entry.filtered)
      console.log(`    ${filtered.length} filtered, unfiltered: ${unfiltered.map((entry) => entry.jobCount)}`)
      assert.equal(sim.countByStatus(), { 200: sim.log.length })
      assert.equal(filtered.length, 10)
      assert.ok(filtered.every((entry) => entry.jobCount === 100))
      const again = unfiltered.reduce((sum, entry) => sum + entry.jobCount, 0)
      assert.is(
        again,
        filtered.reduce((sum, entry) => sum + entry.warnings, 0),
        'each that the market does not know, once',
      )
      // After two seconds nobody waits any longer for what fills one.
      const tookMs = (sim.log.at(-1)?.at ?? 0) - (filtered[0]?.at ?? 0)
      assert.ok(
        unfiltered.length === Math.ceil(again / 100) || tookMs > 2_000,
        `unfiltered requests are full, but for the last, in ${tookMs} ms`,
      )

      for (const { answers, log } of told) {
        assert.equal(
          answers.map(({ input }) => input),
          inputs,
        )
        assert.equal(
          answers.filter(({ status }) => status !== 'hit' && status !== 'negative'),
          [],
        )
        assert.equal(answers, told[0]?.answers)
        assert.equal(log, [])
      }
    }),
  )
})

test.run()
