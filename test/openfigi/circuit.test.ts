import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFigiAuthError } from '../../src/errors/openfigi_auth_error.ts'
import { OpenFigiRateLimitError } from '../../src/errors/openfigi_rate_limit_error.ts'
import { OpenFigiServerError } from '../../src/errors/openfigi_server_error.ts'
import { OpenFigiUnavailableError } from '../../src/errors/openfigi_unavailable_error.ts'
import { createCircuit } from '../../src/openfigi/circuit.ts'
import { sleepFor } from '../../src/waiting.ts'

const down = () => Promise.reject(new OpenFigiServerError(503, 'down'))
const up = () => Promise.resolve('up')
const errorOf = (promise: Promise<unknown>) => promise.then(() => null).catch((error) => error)

/** A circuit that opens at the first failure, and its clock, which moves only when it is told to: the machine may be as slow as it likes. */
function openableCircuit() {
  let time = 0
  const circuit = createCircuit({ failures: 1, halfOpenAfterMs: 1000, now: () => time })
  return {
    circuit,
    pass(milliseconds: number) {
      time += milliseconds
    },
  }
}

test('it opens after so many failures in a row, and then says at once when to come back', async () => {
  const circuit = createCircuit({ failures: 3, halfOpenAfterMs: 600_000 })
  for (let i = 0; i < 3; i++) assert.instance(await errorOf(circuit.run(down)), OpenFigiServerError)
  let ran = false
  const error = await errorOf(
    circuit.run(async () => {
      ran = true
    }),
  )
  assert.instance(error, OpenFigiUnavailableError)
  assert.not(ran)
  assert.ok(error.retryable)
  assert.ok(error.retryAfterMs > 500_000 && error.retryAfterMs <= 600_000)
  assert.ok(Math.abs(error.retryAt.getTime() - Date.now() - error.retryAfterMs) < 60_000)
  assert.instance(error.cause, OpenFigiServerError)
  assert.throws(() => circuit.throwIfOpen(), /keeps failing/)
})

test('a success in between starts the count anew', async () => {
  const circuit = createCircuit({ failures: 2, halfOpenAfterMs: 10_000 })
  for (let i = 0; i < 4; i++) {
    await errorOf(circuit.run(down))
    assert.is(await circuit.run(up), 'up')
  }
  circuit.throwIfOpen()
})

test('answers such as 401 and 429 do not count as failures', async () => {
  const circuit = createCircuit({ failures: 1, halfOpenAfterMs: 10_000 })
  await errorOf(circuit.run(() => Promise.reject(new OpenFigiAuthError(401, '', true))))
  await errorOf(circuit.run(() => Promise.reject(new OpenFigiRateLimitError(1))))
  await errorOf(circuit.run(() => Promise.reject(new Error('aborted'))))
  assert.is(await circuit.run(up), 'up')
})

test('after a while a single request probes: its success closes the circuit for all who wait for it', async () => {
  const { circuit, pass } = openableCircuit()
  await errorOf(circuit.run(down))
  pass(1000)
  const probe = Promise.withResolvers<string>()
  let others = 0
  const first = circuit.run(() => probe.promise)
  const second = circuit.run(async () => {
    others += 1
    return 'second'
  })
  await sleepFor(10)
  assert.is(others, 0)
  probe.resolve('first')
  assert.equal(await Promise.all([first, second]), ['first', 'second'])
})

test('a probe that fails, or is aborted, opens it again', async () => {
  for (const reason of [new OpenFigiServerError(500, ''), new Error('aborted')]) {
    const { circuit, pass } = openableCircuit()
    await errorOf(circuit.run(down))
    pass(1000)
    assert.is(await errorOf(circuit.run(() => Promise.reject(reason))), reason)
    const error = await errorOf(circuit.run(up))
    assert.instance(error, OpenFigiUnavailableError)
    assert.instance(error.cause, OpenFigiServerError)
  }
})

test('a clock that is set back or on meanwhile does not change when it probes', async () => {
  const { now } = Date
  const monotonic = performance.now
  const circuit = createCircuit({ failures: 1, halfOpenAfterMs: 600_000 })
  try {
    await errorOf(circuit.run(down))
    for (const days of [-400, 400]) {
      Date.now = () => now() + days * 86_400_000
      const error = await errorOf(circuit.run(up))
      assert.instance(error, OpenFigiUnavailableError)
      assert.ok(error.retryAfterMs > 0 && error.retryAfterMs <= 600_000, `${error.retryAfterMs} ms`)
    }
    Date.now = () => now() - 400 * 86_400_000
    performance.now = () => monotonic.call(performance) + 600_000
    assert.is(await circuit.run(up), 'up')
  } finally {
    Date.now = now
    performance.now = monotonic
  }
})

test('a probe that is answered by 401 shows that the API is alive', async () => {
  const { circuit, pass } = openableCircuit()
  await errorOf(circuit.run(down))
  pass(1000)
  await errorOf(circuit.run(() => Promise.reject(new OpenFigiAuthError(401, '', true))))
  assert.is(await circuit.run(up), 'up')
})

test('the time of day may jump: it opens and closes by a clock that does not', async () => {
  const { circuit, pass } = openableCircuit()
  await errorOf(circuit.run(down))
  const { now } = Date
  try {
    Date.now = () => now() - 3_600_000
    const error = await errorOf(circuit.run(up))
    assert.is(error.retryAfterMs, 1000)
    pass(1001)
    assert.is(await circuit.run(up), 'up')
  } finally {
    Date.now = now
  }
})

test('who waits for the probe of another hears the signal, and never runs afterwards', async () => {
  const { circuit, pass } = openableCircuit()
  await errorOf(circuit.run(down))
  pass(1000)
  const probe = Promise.withResolvers<string>()
  const first = circuit.run(() => probe.promise)
  const controller = new AbortController()
  let ran = false
  const waiting = errorOf(
    circuit.run(async () => {
      ran = true
    }, controller.signal),
  )
  await sleepFor(5)
  controller.abort(new Error('enough'))
  assert.is((await waiting).message, 'enough')
  probe.resolve('alive')
  await first
  await sleepFor(5)
  assert.not(ran)
  assert.is(await circuit.run(up), 'up')
})

test.run()
