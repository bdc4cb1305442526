import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { countsNothing } from '../../src/counting/tally.ts'
import { monotonicNow } from '../../src/monotonic.ts'
import type { OpenFigi } from '../../src/openfigi/fetch_round.ts'
import { ApiOnly } from '../../src/pipeline/api_only.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { recordingLogger } from '../support/recording_logger.ts'

const test = suite('lookups without the database')

test('are dated when OpenFIGI was asked, not when it answered, kept or not', async () => {
  const asked = monotonicNow() - 5_000
  const fetchRound: OpenFigi['fetchRound'] = async (requests) =>
    requests.map(() => ({ kind: 'none', filtered: false, askedAt: asked }))
  const openfigi = { fetchRound } as OpenFigi
  for (const maxKept of [0, 10]) {
    const parts = { openfigi, logger: recordingLogger(), counting: countsNothing, maxKept }
    const { askedAt } = await new ApiOnly(parts).answer({ type: 'CUSIP', value: makeCusip(1) })
    assert.is(askedAt, asked)
  }
})

test.run()
