import { setTimeout as sleep } from 'node:timers/promises'
import { NoServerError } from '../errors/no_server_error.ts'
import { messageOf } from '../message_of.ts'
import { isAway } from './faults.ts'
import { isWanted, probeServer, type ServerState } from './probe_server.ts'
import { serverUrls, type WantedServer } from './server_urls.ts'

/**
 * So long the others are waited for once one has answered that would do: they may be of a newer timeline. Longer than a login at
 * a remote server takes, else a near primary of old goes before the far one that was promoted.
 */
const othersMs = 1_500

/** Connections that are opened together go to the same server. */
const keptMs = 1_000

type Answer = ServerState | { readonly url: string; readonly error: unknown }

/**
 * Which of the servers of a URL to connect to, asked anew whenever a connection is opened. Of several that take writes it is
 * the one of the newest timeline, and never one of an older timeline than has been seen: a primary that comes back
 * after a standby was promoted in its place would take writes that nobody else gets to see.
 */
export class ServerChoice {
  readonly #urls: readonly string[]
  readonly #wanted: WantedServer
  readonly #probe: (url: string) => Promise<ServerState>
  #newest = 0
  #choosing: Promise<string> | null = null

  constructor(urls: readonly string[], wanted: WantedServer, probe = probeServer) {
    this.#urls = urls
    this.#wanted = wanted
    this.#probe = probe
  }

  /**
   * The URL of the one server. Throws a NoServerError where none will do just now, and the server's own error where all refuse,
   * as for a wrong password.
   */
  async choose(): Promise<string> {
    if (!this.#choosing) {
      this.#choosing = this.#choose()
      const forget = () => {
        this.#choosing = null
      }
      this.#choosing.then(() => sleep(keptMs, undefined, { ref: false }).then(forget), forget)
    }
    return this.#choosing
  }

  async #choose(): Promise<string> {
    const answers: Answer[] = []
    const enough = Promise.withResolvers<void>()
    const all = this.#urls.map(async (url) => {
      const answer: Answer = await this.#probe(url).catch((error: unknown) => ({ url, error }))
      answers.push(answer)
      if (this.#refusal(answer) === null) enough.resolve()
    })
    const everybody = Promise.all(all)
    await Promise.race([everybody, enough.promise])
    await Promise.race([everybody, sleep(othersMs, undefined, { ref: false })])
    const [best] = answers
      .filter((answer) => this.#refusal(answer) === null)
      .sort(byRank(this.#urls, this.#wanted))
    if (!best) throw this.#none(answers)
    if ('timeline' in best) this.#newest = Math.max(this.#newest, best.timeline ?? 0)
    return best.url
  }

  /** Why a server will not do; null where it does. */
  #refusal(answer: Answer): string | null {
    if ('error' in answer) return `cannot be reached (${messageOf(answer.error)})`
    if (!isWanted(answer, this.#wanted)) {
      if (this.#wanted === 'read-write') return answer.isStandby ? 'is a standby' : 'is read-only'
      return answer.isStandby ? 'is a standby' : 'is no standby'
    }
    if (answer.timeline !== null && answer.timeline < this.#newest)
      return `is a primary of an older timeline (${answer.timeline}, and ${this.#newest} has been seen): make it a standby, or take it out of the URL`
    return null
  }

  #none(answers: readonly Answer[]): unknown {
    const errors = answers.map((answer) => ('error' in answer ? answer.error : null))
    const [first] = errors
    if (errors.every((error) => error !== null && !isAway(error))) return first
    const sentences = answers.map((answer) => `${URL.parse(answer.url)?.host} ${this.#refusal(answer)}`)
    const wanted = this.#wanted === 'read-write' ? 'takes writes' : `will do (${this.#wanted})`
    return new NoServerError(`Of the servers of the database none ${wanted}: ${sentences.join(', ')}`)
  }
}

/** The newest timeline first where primaries are wanted, standbys where these are preferred; then the order of the URL. */
function byRank(urls: readonly string[], wanted: WantedServer): (one: Answer, other: Answer) => number {
  const rankOf = (answer: Answer) => {
    if ('error' in answer) return 0
    if (wanted === 'prefer-standby') return answer.isStandby ? 1 : 0
    return wanted === 'any' ? 0 : (answer.timeline ?? 0)
  }
  return (one, other) => rankOf(other) - rankOf(one) || urls.indexOf(one.url) - urls.indexOf(other.url)
}

const choices = new Map<string, ServerChoice>()

/** The choice among the servers of a URL, which all connections of the process share; null where it names one. */
export function choiceOf(url: string, as?: WantedServer): ServerChoice | null {
  const { urls, wanted } = serverUrls(url)
  if (urls.length === 1) return null
  const wants = as ?? wanted ?? 'any'
  const key = [wants, ...urls].join(' ')
  const known = choices.get(key) ?? new ServerChoice(urls, wants)
  choices.set(key, known)
  return known
}

/** The URL of the one server that takes writes. Throws as ServerChoice does. */
export async function writableServer(url: string): Promise<string> {
  return (await choiceOf(url, 'read-write')?.choose()) ?? url
}
