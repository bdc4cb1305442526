import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withClients } from '../support/client_stage.ts'
import { countedLookups } from '../support/counted.ts'
import { makeCusip, makeCusips, makeIsin } from '../support/identifiers_maker.ts'
import { isKept } from '../support/kept.ts'
import { observe } from '../support/mappings.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'

const test = suite('the lookups of a client')

test('are counted once each, by what was known of them and where the answer came from', () =>
  withClients(async ({ client, sim, sql }) => {
    const pgfigi = client()
    const resolveAll = (values: readonly string[]) =>
      Promise.all(values.map((value) => pgfigi.resolve(value)))
    sim.set(makeCusip(7), 'unknown')
    await observe(sql, 'CUSIP', makeCusip(100), 'OLD', '2020-01-01T00:00:00Z')

    await resolveAll([...makeCusips(0, 10), makeCusip(0)])
    const known = await resolveAll(makeCusips(0, 10))
    const negatives = known.filter(({ status }) => status === 'negative').length
    assert.ok(negatives >= 1)
    await pgfigi.resolve(makeCusip(100))
    await pgfigi.resolve(makeCusip(20), { wait: false })
    await pgfigi.resolve(makeCusip(0), { asOf: '2020-01-01' })
    await pgfigi.getTickerFromIsin(makeIsin(0))
    await resolveAll(['nonsense', ''])
    await pgfigi.getTickerFromCusip('nonsense')
    await pgfigi.resolve({ type: 'SEDOL', value: makeCusip(0) })
    await pgfigi.close()
    await pgfigi.resolve(makeCusip(0))
    assert.equal(await countedLookups(sql), {
      'CUSIP hit database': 10 - negatives,
      'CUSIP invalid process': 1,
      'CUSIP miss database': 2,
      'CUSIP miss openfigi': 11,
      'CUSIP negative database': negatives,
      'CUSIP stale database': 1,
      'ISIN hit database': 1,
      'unknown invalid process': 3,
    })
  }))

test('are counted where OpenFIGI answers with errors, or not at all', () =>
  withClients(async ({ client, sim, sql }) => {
    const pgfigi = client()
    sim.fail({ kind: 'jobErrors', idValues: [makeCusip(0)], times: 1 })
    assert.ok((await pgfigi.resolve(makeCusip(0))).error)
    sim.fail({ status: 401, times: 1 })
    await pgfigi.getTickerFromCusip(makeCusip(1)).then(
      () => assert.unreachable(),
      () => {},
    )
    await pgfigi.close()
    assert.equal(await countedLookups(sql), { 'CUSIP miss openfigi': 2 })
  }))

test('are counted where a replica or the process answers', () =>
  withClients(async ({ client, sql, url }) => {
    await observe(sql, 'CUSIP', makeCusip(0), 'AAA')
    const reading = client({ dbReadUrl: url, maxReplicaLagSeconds: 0 })
    await reading.resolve(makeCusip(0))
    await reading.resolve(makeCusip(1), { wait: false })
    await reading.close()
    assert.equal(await countedLookups(sql), { 'CUSIP hit replica': 1, 'CUSIP miss database': 1 })

    const keeping = client({ cacheInProcess: 10 })
    let asked = 0
    await until('the process answers by itself', async () => {
      asked += 2
      return isKept(keeping, sql, makeCusip(0))
    })
    await keeping.close()
    const lookups = await countedLookups(sql)
    assert.is((lookups['CUSIP hit process'] ?? 0) + (lookups['CUSIP hit database'] ?? 0), asked)
    assert.ok((lookups['CUSIP hit process'] ?? 0) >= 1)
  }))

test('are counted while the database is away, and written when it is back', () =>
  withClients(async ({ client, sql, url, logger }) => {
    await observe(sql, 'CUSIP', makeCusip(0), 'AAA')
    await using proxy = await startDatabaseProxy(url)
    const pgfigi = client({ dbUrl: proxy.urlOf(url) })
    await pgfigi.resolve(makeCusip(0))
    // Closed, not blocked: whoever waits for an answer needs a deadline, which a slow machine does not keep either.
    proxy.disturb('both', { after: { bytes: 0, how: 'close' } })
    proxy.cut()
    await pgfigi.resolve(makeCusip(0))
    await pgfigi.resolve(makeCusip(0))
    await pgfigi.resolve(makeCusip(0), { asOf: '2020-01-01' })
    proxy.disturb('both', undefined)
    await until('the database is back', () => logger.messages('info').includes('The database is back'))
    await pgfigi.resolve(makeCusip(0))
    await pgfigi.close()
    assert.equal(await countedLookups(sql), {
      'CUSIP hit database': 2,
      'CUSIP hit process': 1,
      'CUSIP miss database': 1,
      'CUSIP miss openfigi': 1,
    })
  }))

test('and leave no process behind', () =>
  withClients(async ({ client, sql }) => {
    const pgfigi = client()
    await pgfigi.resolve('nonsense')
    await pgfigi.close()
    const processes = await sql`select from figi_private.processes`
    assert.is(processes.length, 0)
    assert.equal(await countedLookups(sql), { 'unknown invalid process': 1 })
  }))

test.run()
