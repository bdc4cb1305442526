import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseDay, parseInstant } from '../../src/import/instants.ts'

for (const [raw, iso] of [
  ['2021-03-09', '2021-03-09T00:00:00.000Z'],
  ['20210309', '2021-03-09T00:00:00.000Z'],
  [' 2021-03-09T14:30:00Z ', '2021-03-09T14:30:00.000Z'],
  ['2021-03-09T14:30:00.123456', '2021-03-09T14:30:00.123Z'],
  ['2021-03-09T14:30+02:00', '2021-03-09T12:30:00.000Z'],
  ['2021-03-09 14:30:00+00', '2021-03-09T14:30:00.000Z'],
  ['2021-03-09 00:00:00-0530', '2021-03-09T05:30:00.000Z'],
  [1615300200, '2021-03-09T14:30:00.000Z'],
  [1615300200.5, '2021-03-09T14:30:00.500Z'],
  ['1615300200123', '2021-03-09T14:30:00.123Z'],
  [1615300200123, '2021-03-09T14:30:00.123Z'],
  ['2020-02-29', '2020-02-29T00:00:00.000Z'],
] as const) {
  test(`${JSON.stringify(raw)} is ${iso}`, () => {
    const instant = parseInstant(raw)
    assert.is(instant === null ? null : new Date(instant).toISOString(), iso)
  })
}

test('what could be two days, is no day, or is out of all time is null', () => {
  const wrong = ['03/09/2021', '9.3.2021', '2021-02-29', '2021-13-01', '2021-03-09T25:00', '20210931', '1']
  for (const raw of [
    ...wrong,
    '',
    'yesterday',
    '1899-12-31',
    '0001-01-01',
    0,
    -1,
    Number.NaN,
    true,
    null,
    {},
  ]) {
    assert.is(parseInstant(raw), null, JSON.stringify(raw))
  }
})

test('a day is eight digits', () => {
  assert.is(parseDay('20210309'), Date.UTC(2021, 2, 9))
  for (const wrong of ['2021-03-09', '20210230', '', '1615300200']) assert.is(parseDay(wrong), null, wrong)
})

test.run()
