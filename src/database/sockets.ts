import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerChoice } from './choose_server.ts'
import { DriverSocket } from './driver_socket.ts'
import { listeningAt } from './server_urls.ts'

/** Where the driver wants to connect to. */
export interface DriverAddress {
  host: string[]
  port: number[]
  readonly path?: string | false
}

/** A server that has said good-bye gets so long to close its side. */
const partingMs = 1_000

const lookEveryMs = 50
const looksForNone = 10

/**
 * The sockets of one pool: all to the same server, of several the one that was chosen last. The driver does not give up a
 * connection on which nothing comes back, and goes on connecting when it has been ended: both are mended here.
 */
export class Sockets {
  readonly #choice: ServerChoice | null
  readonly #onLost: () => void
  readonly #open = new Set<DriverSocket>()
  #server: string | null = null
  #beginning = 0
  #isEnded = false

  /** `onLost` is called as soon as it is known of one that it is about to close. */
  constructor(choice: ServerChoice | null, onLost: () => void) {
    this.#choice = choice
    this.#onLost = onLost
  }

  /** A socket that connects, or that fails with the reason; never rejects, which would cost the driver the connection for good. */
  async open(address: DriverAddress): Promise<DriverSocket> {
    let failure: Error | null = null
    this.#forgetClosed()
    this.#beginning += 1
    try {
      if (this.#choice) this.#turnTo(await this.#choice.choose(), address)
    } catch (error) {
      failure = error as Error
    } finally {
      this.#beginning -= 1
    }
    if (this.#isEnded) failure ??= lost('its pool has been closed')
    const socket = new DriverSocket(this.#onLost)
    if (failure) {
      socket.refuse(failure)
      return socket
    }
    const [host = 'localhost'] = address.host
    const [port = 5432] = address.port
    if (address.path) socket.connect(address.path)
    else socket.connect(port, host)
    // The driver reads them for certificates and for messages.
    Object.assign(socket, { host, port })
    this.#open.add(socket)
    // Else the driver connects anew without a pause and without an end, as where a balancer takes connections for a server that is
    // down.
    socket.once('end', () => {
      if (socket.bytesRead === 0) socket.destroy(lost('the server has ended it'))
    })
    return socket
  }

  /** Ends all connections at once; their queries reject with that reason. The next query opens new ones. */
  hangUp(reason: string): void {
    for (const socket of this.#open) socket.destroy(lost(reason))
  }

  /** Resolves once there has been none for a while: the driver itself waits in vain for one that was lost with a query on it. */
  async areGone(): Promise<void> {
    for (let looks = 0; looks < looksForNone && !this.#isEnded; looks += 1) {
      await sleep(lookEveryMs) // it is waited for: nothing else may keep the process alive
      this.#forgetClosed()
      if (this.#open.size > 0 || this.#beginning > 0) looks = -1
    }
  }

  /** No connection is opened any more, and none is left open. */
  async end(): Promise<void> {
    this.#isEnded = true
    this.#forgetClosed()
    if (this.#open.size === 0) return
    await sleep(partingMs)
    this.hangUp('its pool has been closed')
  }

  /** Looked at, not listened for: the driver takes all listeners off a socket that goes on by TLS. */
  #forgetClosed(): void {
    for (const socket of this.#open) if (socket.closed) this.#open.delete(socket)
  }

  #turnTo(server: string, address: DriverAddress): void {
    if (this.#server !== null && this.#server !== server) this.hangUp('another server has taken its place')
    this.#server = server
    Object.assign(address, listeningAt(server))
  }
}

/** As the driver's own. */
function lost(reason: string): Error {
  return Object.assign(new Error(`the connection was given up, for ${reason}`), { code: 'CONNECTION_CLOSED' })
}
