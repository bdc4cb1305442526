import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { forkProgram } from '../support/child.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import type { StreamAnswer } from '../support/resolve_many_process.ts'

const test = suite('resolveMany')

test('takes a stream of any length in bounded memory, and reads no further ahead than two chunks', () =>
  withDatabase(async ({ sql, url }) => {
    const values = Array.from({ length: 1_000 }, (_, n) => makeCusip(n))
    await sql`
      select from public.upsert_mappings(
        array_fill('CUSIP'::text, array[1000]), ${values}, ${values.map((_, n) => `T${n}`)}
      )`
    await sql`analyze public.security_mappings`
    const count = 100_000
    // All the rows would take some 100 MB.
    const options = { dbUrl: url, values, count }
    await using child = await forkProgram('resolve_many_process.ts', options, {
      NODE_OPTIONS: '--max-old-space-size=64',
    })
    const began = performance.now()
    const { hits, mostAhead, peakMegabytes } = await child.ask<StreamAnswer>({})
    console.log(
      `\n    ${count} lookups in ${((performance.now() - began) / 1000).toFixed(1)} s, ${peakMegabytes.toFixed(0)} MiB, ${mostAhead} ahead`,
    )
    assert.is(hits, count)
    assert.ok(mostAhead <= 10_000, `${mostAhead} ahead`)
    assert.ok(peakMegabytes < 300, `${peakMegabytes} MiB`)
  }))

test.run()
