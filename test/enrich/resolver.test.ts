import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Answer } from '../../src/enrich/answer.ts'
import { type Asked, Resolver } from '../../src/enrich/resolver.ts'
import { type Identifier, identify } from '../../src/identifiers.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'

const answer = (status: Answer['status'], ticker: string | null = null): Answer => ({
  ...{ ticker, name: null, figi: null, status },
})

function asked(values: readonly string[], asOf: string | null = null): Asked {
  return { identifiers: values.map((value) => identify(value) as Identifier), asOf }
}

/** A resolver on a database and an OpenFIGI of that kind, and what they were asked. */
function stage(known: Record<string, Answer>, fetched: Record<string, Answer> | null = {}) {
  const lookups: string[][] = []
  const fetches: string[] = []
  const resolver = new Resolver({
    async lookUp(identifiers, asOf) {
      lookups.push(identifiers.map(({ value }, n) => `${value}${asOf ? `@${asOf[n]}` : ''}`))
      return identifiers.map(({ value }) => known[value] ?? answer('miss'))
    },
    fetch: fetched
      ? async ({ value }) => {
          fetches.push(value)
          return fetched[value] ?? answer('negative')
        }
      : undefined,
  })
  const resolve = async (...rows: Asked[]) =>
    Promise.all((await resolver.answers(rows)).map(async (one) => shown(await one)))
  return { resolver, resolve, lookups, fetches }
}

const shown = ({ ticker, status }: Answer) => `${ticker ?? '-'} ${status}`

const [a, b, c] = [makeCusip(1), makeIsin(2), makeCusip(3)]

test('an identifier is looked up once, and once for each time, however many rows and blocks ask', async () => {
  const { resolve, lookups } = stage({ [a]: answer('hit', 'A') })
  const rows = [asked([a]), asked([a]), asked([a], '2021-03-09'), asked([]), asked([a], '2021-03-09')]
  const expected = ['A hit', 'A hit', 'A hit', '- invalid', 'A hit']
  assert.equal(await Promise.all([resolve(...rows), resolve(...rows)]), [expected, expected])
  assert.equal(lookups, [[a], [`${a}@2021-03-09`]])
})

test('the further identifiers of a row are looked up only where there is no hit, and the most informative answer counts', async () => {
  const known = { [a]: answer('hit', 'A'), [b]: answer('stale', 'B'), [c]: answer('negative') }
  const { resolve, lookups, fetches } = stage(known, null)
  assert.equal(
    await resolve(asked([a, b]), asked([c, b]), asked([b, a]), asked([c, makeIsin(9)]), asked([c])),
    ['A hit', 'B stale', 'A hit', '- miss', '- negative'],
  )
  assert.equal(lookups, [[a, c, b], [makeIsin(9)]])
  assert.equal(fetches, [])
})

test('what is open is fetched once, in turn, until there is a ticker; with another time than now nothing is', async () => {
  const { resolve, resolver, fetches } = stage(
    { [c]: answer('stale') },
    { [b]: answer('hit', 'B'), [c]: { ...answer('miss'), error: 'no' } },
  )
  assert.equal(await resolve(asked([a, b]), asked([a, b]), asked([c]), asked([a], '2021-03-09')), [
    'B hit',
    'B hit',
    '- miss',
    '- miss',
  ])
  assert.equal(fetches.toSorted(), [a, b, c].toSorted())
  assert.equal(await resolve(asked([c])), ['- miss'])
  assert.equal([fetches.length, resolver.fetched, resolver.fetching], [3, 2, 0])
})

test('a database that fails fails the block, also one that waits for the same lookup', async () => {
  const resolver = new Resolver({ lookUp: async () => Promise.reject(new Error('away')) })
  const outcomes = await Promise.allSettled([resolver.answers([asked([a])]), resolver.answers([asked([a])])])
  assert.equal(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
})

test.run()
