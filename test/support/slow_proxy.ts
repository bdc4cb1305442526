import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface SlowProxy extends AsyncDisposable {
  /** The URL of the database by way of the proxy. */
  readonly url: string
  /** From now on everything takes so long in either direction. */
  delay(milliseconds: number): void
}

/** A way to the server of a database URL that can be made long, as over half the world and a bad line. */
export async function startSlowProxy(databaseUrl: string, delayMs = 0): Promise<SlowProxy> {
  let delay = delayMs
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(target.port || 5432), target.hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('data', (chunk) => setTimeout(() => other.write(chunk), delay))
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        setTimeout(() => other.destroy(), delay)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    delay(milliseconds) {
      delay = milliseconds
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
