import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { within } from '../../src/database/deadline.ts'
import { DeadlineError } from '../../src/errors/deadline_error.ts'

const test = suite('a deadline')

/** Two ends of a connection: what one is given to write is there for the other at once. */
async function withConnection(work: (near: Socket, far: Socket) => Promise<void>): Promise<void> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [[near]] = (await Promise.all([once(server, 'connection'), once(far, 'connect')])) as [
    [Socket],
    unknown,
  ]
  try {
    await work(near, far)
  } finally {
    far.destroy()
    near.destroy()
    server.close()
  }
}

/** As where the machine is busy, or a laptop's lid was closed. */
function standStill(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

test('is not passed by an answer that has come while the process stood still', () =>
  withConnection(async (near, far) => {
    const answer = within(20, 'The database', once(far, 'data'))
    near.write('answer')
    standStill(60)
    assert.equal(await answer, [Buffer.from('answer')])
  }))

test('passes where nothing comes', () =>
  withConnection(async (_near, far) => {
    const nothing = once(far, 'data', { signal: AbortSignal.timeout(10_000) })
    nothing.catch(() => {})
    const error = await within(20, 'The database', nothing).catch((caught) => caught)
    assert.instance(error, DeadlineError)
  }))

test.run()
