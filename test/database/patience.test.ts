import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Patience } from '../../src/database/patience.ts'

const test = suite('patience with a database that is away')

const fault = (code: string) => Object.assign(new Error(`failed with ${code}`), { code })

/** Answers after these failures, one a call. */
function failing(...codes: string[]): () => Promise<string> {
  return async () => {
    const code = codes.shift()
    if (code !== undefined) throw fault(code)
    return 'done'
  }
}

function patience(forMs?: number, signal?: AbortSignal) {
  const told: string[] = []
  return { told, of: new Patience({ onAway: (sentence) => told.push(sentence), forMs, signal }) }
}

const messageOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (error: Error) => error.message,
  )

test('what was there and is away is asked again, and told once', async () => {
  const { told, of } = patience()
  assert.is(await of.run(failing('CONNECTION_CLOSED', 'ECONNREFUSED')), 'done')
  assert.equal(told, ['The database is away (failed with CONNECTION_CLOSED); trying again for 60 s.'])
  assert.is(await of.run(failing('ECONNREFUSED')), 'done')
  assert.is(told.length, 2, 'it was back in between')
})

test('after its time one sentence says that running it again goes on', async () => {
  const { told, of } = patience(300)
  await of.run(failing())
  const away = () => Promise.reject(fault('ECONNREFUSED'))
  const messages = await Promise.all([messageOf(of.run(away)), messageOf(of.run(away))])
  for (const message of messages) assert.match(message, /away for 0 s: .*Run the same again when it is back/)
  assert.is(told.length, 1)
})

test('what never was there, and what the database refuses, is told at once', async () => {
  const { told, of } = patience()
  assert.match(await messageOf(of.run(failing('ECONNREFUSED'))), 'cannot be reached')
  assert.match(await messageOf(of.run(failing('42501'))), 'lacks a right')
  assert.equal(told, [])
})

test('a deadlock passes', async () => {
  const { told, of } = patience()
  assert.is(await of.run(failing('40P01', '40001')), 'done')
  assert.equal(told, [])
})

test('an outage begins anew where the database has answered in between, if with a deadlock', async () => {
  const { of } = patience(300)
  await of.run(failing())
  assert.is(await of.run(failing('ECONNREFUSED', '40P01', 'ECONNREFUSED')), 'done')
})

test('what fails once it has been interrupted is no outage', async () => {
  const stop = new AbortController()
  const { told, of } = patience(60_000, stop.signal)
  await of.run(failing())
  const interrupted = of.run(() => {
    stop.abort(new Error('Ctrl-C'))
    return Promise.reject(fault('CONNECTION_CLOSED'))
  })
  assert.is(await messageOf(interrupted), 'Ctrl-C')
  assert.equal(told, [])
})

test('an interruption ends the waiting', async () => {
  const stop = new AbortController()
  const { of } = patience(60_000, stop.signal)
  await of.run(failing())
  const waiting = messageOf(of.run(() => Promise.reject(fault('ECONNREFUSED'))))
  stop.abort(new Error('Ctrl-C'))
  assert.is(await waiting, 'Ctrl-C')
})

test.run()
