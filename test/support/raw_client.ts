/** Connections on which a test sends what no HTTP client would, and when none would. */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RawClient {
  readonly socket: Socket
  /** What has come so far, as Latin-1. */
  received(): string
  readonly isClosed: boolean
  /** Resolves when the connection has ended, or after so long: whether it has. */
  ended(milliseconds: number): Promise<boolean>
}

/** Connects to a page, as from another address of this machine where one is given (Linux has all of 127.0.0.0/8). */
export async function rawClient(url: string, localAddress = '127.0.0.1'): Promise<RawClient> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), localAddress })
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  let received = ''
  let isClosed = false
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    received += text
  })
  socket.on('error', () => {})
  void closed.then(() => {
    isClosed = true
  })
  await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), closed])
  return {
    socket,
    received: () => received,
    get isClosed() {
      return isClosed
    },
    async ended(milliseconds) {
      const timeout = new AbortController()
      await Promise.race([closed, sleep(milliseconds, null, { signal: timeout.signal }).catch(() => {})])
      timeout.abort()
      return isClosed
    },
  }
}
