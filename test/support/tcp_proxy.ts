import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a server that can be blocked: connections stay open, and nothing comes through, as in a black hole. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** The same URL by way of the proxy. */
  urlOf(url: string): string
  block(): void
  /** What has been held back arrives, as by TCP's retransmissions. */
  unblock(): void
  /** Ends all connections; new ones are taken. */
  cut(): void
  /** Everything that was sent to the server so far, as Latin-1. */
  sent(): string
}

async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let isBlocked = false
  const sent: Buffer[] = []
  const server = createServer((near) => {
    const far = connect(target.port, target.host)
    near.on('data', (chunk) => sent.push(chunk))
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('data', (chunk) => other.write(chunk))
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      if (isBlocked) one.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = (server.address() as AddressInfo).port
  return {
    port,
    urlOf(url) {
      const changed = new URL(url)
      changed.hostname = '127.0.0.1'
      changed.port = String(port)
      return changed.href
    },
    block() {
      isBlocked = true
      for (const socket of sockets) socket.pause()
    },
    unblock() {
      isBlocked = false
      for (const socket of sockets) socket.resume()
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    sent: () => Buffer.concat(sent).toString('latin1'),
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A proxy to the server of a database URL. */
export function startDatabaseProxy(url: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(url)
  return startTcpProxy({ host: hostname, port: Number(port || 5432) })
}
