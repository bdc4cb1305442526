import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What happens to what passes in one direction. */
export interface Disturbance {
  /** Everything is held up for so long. */
  readonly delayMs?: number
  /** Pieces of so many bytes, each in a packet of its own. */
  readonly sliceBytes?: number
  readonly bytesPerSecond?: number
  /** After so many bytes of a connection it ends: closed, reset, or swallowing everything without a word. */
  readonly after?: { readonly bytes: number; readonly how: 'close' | 'reset' | 'swallow' }
}

export type Direction = 'toServer' | 'toClient'

/** A way to a server that can be disturbed in either direction, and blocked: connections stay open, and nothing comes through, as in a black hole. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** The same URL by way of the proxy. */
  urlOf(url: string): string
  /** From now on, on all connections; undefined ends it. What passed before does not count. */
  disturb(direction: Direction | 'both', disturbance: Disturbance | undefined): void
  block(): void
  /** What has been held back arrives, as by TCP's retransmissions. */
  unblock(): void
  /** The connections that are open swallow everything for good, as where a firewall has forgotten them; new ones work. */
  forget(): void
  /** Ends all connections; new ones are taken. */
  cut(): void
  /** Ends all connections by a reset; new ones are taken. */
  reset(): void
  /** Everything that was sent to the server so far, as Latin-1. */
  sent(): string
}

interface Connection {
  readonly sockets: readonly [Socket, Socket]
  isForgotten: boolean
}

async function startTcpProxy(target: { host: string; port: number }, at: number): Promise<TcpProxy> {
  const connections = new Set<Connection>()
  const disturbances: Record<Direction, Disturbance | undefined> = {
    toServer: undefined,
    toClient: undefined,
  }
  const sent: Buffer[] = []
  let gate = Promise.withResolvers<void>()
  gate.resolve()
  let isBlocked = false

  const end = ({ sockets }: Connection, how: 'close' | 'reset') => {
    for (const socket of sockets) how === 'reset' ? socket.resetAndDestroy() : socket.destroy()
  }

  /** Lets a piece through as it is to come; false where nothing follows any more. */
  async function pass(
    connection: Connection,
    to: Socket,
    direction: Direction,
    piece: Buffer,
    before: number,
  ): Promise<boolean> {
    const { delayMs, sliceBytes, bytesPerSecond, after } = disturbances[direction] ?? {}
    if (delayMs) await sleep(delayMs)
    const allowed = after ? piece.subarray(0, Math.max(after.bytes - before, 0)) : piece
    const size = sliceBytes ?? (bytesPerSecond ? Math.max(Math.ceil(bytesPerSecond / 50), 1) : allowed.length)
    for (let start = 0; start < allowed.length; start += size) {
      if (isBlocked) await gate.promise
      if (connection.isForgotten) return true
      const slice = allowed.subarray(start, start + size)
      to.write(slice)
      if (bytesPerSecond) await sleep((slice.length / bytesPerSecond) * 1000)
      else if (sliceBytes) await new Promise((resolve) => setImmediate(resolve))
    }
    if (!after || before + piece.length < after.bytes) return true
    if (after.how === 'swallow') connection.isForgotten = true
    else end(connection, after.how)
    return after.how === 'swallow'
  }

  const server = createServer((near) => {
    const far = connect(target.port, target.host)
    const connection: Connection = { sockets: [near, far], isForgotten: false }
    connections.add(connection)
    for (const [from, to, direction] of [
      [near, far, 'toServer'],
      [far, near, 'toClient'],
    ] as const) {
      from.setNoDelay(true)
      let passed = 0
      let seen = disturbances[direction]
      from.on('data', async (piece: Buffer) => {
        if (direction === 'toServer') sent.push(piece)
        from.pause()
        if (isBlocked) await gate.promise
        if (seen !== disturbances[direction]) passed = 0
        seen = disturbances[direction]
        const goesOn = connection.isForgotten || (await pass(connection, to, direction, piece, passed))
        passed += piece.length
        if (goesOn) from.resume()
      })
      from.on('error', () => {})
      from.on('close', () => {
        connections.delete(connection)
        if (!connection.isForgotten) to.destroy()
      })
    }
  })
  server.listen(at, '127.0.0.1')
  await once(server, 'listening')
  const port = (server.address() as AddressInfo).port
  const endAll = (how: 'close' | 'reset') => {
    for (const connection of connections) end(connection, how)
  }
  return {
    port,
    urlOf(url) {
      const changed = new URL(url)
      changed.hostname = '127.0.0.1'
      changed.port = String(port)
      return changed.href
    },
    disturb(direction, disturbance) {
      if (direction !== 'toClient') disturbances.toServer = disturbance
      if (direction !== 'toServer') disturbances.toClient = disturbance
    },
    block() {
      if (isBlocked) return
      isBlocked = true
      gate = Promise.withResolvers()
    },
    unblock() {
      isBlocked = false
      gate.resolve()
    },
    forget() {
      for (const connection of connections) connection.isForgotten = true
    },
    cut: () => endAll('close'),
    reset: () => endAll('reset'),
    sent: () => Buffer.concat(sent).toString('latin1'),
    async [Symbol.asyncDispose]() {
      server.close()
      isBlocked = false
      gate.resolve()
      endAll('close')
    },
  }
}

/** A proxy to the server of a database URL, on that port, or any. */
export function startDatabaseProxy(url: string, at = 0): Promise<TcpProxy> {
  const { hostname, port } = new URL(url)
  return startTcpProxy({ host: hostname, port: Number(port || 5432) }, at)
}
