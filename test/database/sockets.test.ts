import { type AddressInfo, createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/database/connect.ts'
import { codeOf } from '../../src/database/faults.ts'
import { probeServer } from '../../src/database/probe_server.ts'
import { Sockets } from '../../src/database/sockets.ts'

const test = suite('the sockets of a pool')

/** Null where the machine has no such address. */
async function listening(host: string): Promise<{ server: Server; port: number } | null> {
  const server = createServer((socket) => socket.on('error', () => {}))
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false)).listen(0, host, () => resolve(true))
  return (await promise) ? { server, port: (server.address() as AddressInfo).port } : null
}

test('are gone once they are closed, even where the driver has taken all listeners off, as for TLS', async () => {
  const place = await listening('127.0.0.1')
  assert.ok(place)
  const sockets = new Sockets(null, () => {})
  const socket = await sockets.open({ host: ['127.0.0.1'], port: [place.port] })
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.removeAllListeners()
  let areGone = false
  const gone = sockets.areGone().then(() => {
    areGone = true
  })
  await sleep(600)
  assert.not(areGone, 'one is open')
  socket.destroy()
  await gone
  await sockets.end()
  place.server.close()
})

test('go to a server that is named by its IPv6 address', async () => {
  const place = await listening('::1')
  if (!place) return
  const { server, port } = place
  const fields = 'SFATAL\0C28P01\0Mno\0\0'
  const refusal = Buffer.from(`E\0\0\0${String.fromCharCode(fields.length + 4)}${fields}`, 'latin1')
  server.on('connection', (socket) => socket.once('data', () => socket.end(refusal)))
  const url = `postgres://nobody@[::1]:${port}/db`
  const sql = connect(url, { max: 1 })
  assert.is(await sql`select`.then(() => null, codeOf), '28P01', 'the pool')
  assert.is(await probeServer(url).then(() => null, codeOf), '28P01', 'the probe')
  await sql.end({ timeout: 0 })
  server.close()
})

test('are not opened again and again where whoever listens closes them at once, as a balancer without servers', async () => {
  const place = await listening('127.0.0.1')
  assert.ok(place)
  let taken = 0
  place.server.on('connection', (socket) => {
    taken += 1
    socket.end()
  })
  const code = await probeServer(`postgres://nobody@127.0.0.1:${place.port}/db`).then(() => null, codeOf)
  assert.equal([code, taken], ['CONNECTION_CLOSED', 1])
  place.server.close()
})

test.run()
