import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { householdOf } from './household.ts'

export interface ConnectionLimits {
  /** So many are held at once. */
  readonly most: number
  /** So long a request may take, its answer being taken included. */
  readonly longestMs: number
}

interface Held {
  readonly socket: Socket
  readonly household: string
  /** Answers that are not yet taken whole. */
  readonly underWay: Set<ServerResponse>
  /** When the last request began or ended; before the first, when it was opened. */
  since: number
}

/** Browsers and programs wait for an answer before they ask again on the same connection. */
const mostUnderWay = 8

/**
 * Holds the connections of a server, and a bounded number of them. Where there is no room for one more, whoever holds most
 * makes room: so nobody can keep others out, however many connections he opens and however slowly he sends or reads.
 */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #held = new Map<Socket, Held>()

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** A server whose connections are held here, which hands requests on. */
  createServer(options: ServerOptions, answer: RequestListener): Server {
    const hand: RequestListener = (request, response) => {
      if (this.#begins(request, response)) answer(request, response)
    }
    const server = createServer(options, hand)
    // Whatever somebody expects, he gets the answer to his request, with all of its headers.
    server.on('checkExpectation', hand)
    server.on('connection', (socket) => this.#take(socket))
    return server
  }

  #take(socket: Socket): void {
    const household = householdOf(socket.remoteAddress)
    if (this.#held.size >= this.#limits.most && !this.#makeRoom(household)) {
      socket.destroy()
      return
    }
    this.#held.set(socket, { socket, household, underWay: new Set(), since: performance.now() })
    socket.once('close', () => this.#held.delete(socket))
  }

  /**
   * Ends a connection of the household that holds most: the one that has waited longest for its client to send or to take
   * something, if any does, else the newest, where the newcomer's household holds fewer.
   */
  #makeRoom(household: string): boolean {
    const counts = new Map<string, number>()
    for (const held of this.#held.values()) counts.set(held.household, (counts.get(held.household) ?? 0) + 1)
    const most = Math.max(...counts.values())
    const crowd = [...this.#held.values()].filter((held) => counts.get(held.household) === most)
    const idle = crowd.filter((held) => !isBusy(held))
    const isMoreThanOwn = most > (counts.get(household) ?? 0) + 1
    const given =
      idle.length > 0
        ? idle.reduce((longest, held) => (held.since < longest.since ? held : longest))
        : isMoreThanOwn
          ? crowd.at(-1)
          : undefined
    if (given === undefined) return false
    this.#held.delete(given.socket)
    given.socket.destroy()
    return true
  }

  /** False where nothing is to be done for it. */
  #begins({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const held = this.#held.get(socket)
    if (held === undefined || socket.destroyed) return false
    if (held.underWay.size >= mostUnderWay) {
      socket.destroy()
      return false
    }
    held.underWay.add(response)
    held.since = performance.now()
    const cutOff = setTimeout(() => socket.destroy(), this.#limits.longestMs)
    response.once('close', () => {
      clearTimeout(cutOff)
      held.underWay.delete(response)
      held.since = performance.now()
    })
    return true
  }
}

/** Whether its client waits for us: a request has come whole, and is not answered yet. */
function isBusy({ underWay }: Held): boolean {
  return [...underWay].some(({ req, writableEnded }) => req.complete && !writableEnded)
}
