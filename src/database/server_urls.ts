/** What a server has to be; the names are libpq's for target_session_attrs. */
export type WantedServer = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby'

const wantedServers: ReadonlySet<string> = new Set<WantedServer>([
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
])

/** What a URL such as postgres://one,two/db?target_session_attrs=read-write names. */
export interface ServerUrls {
  /** One for each server, in the order of the URL. */
  readonly urls: readonly [string, ...string[]]
  /** Undefined where the URL does not say, or something that nobody knows. */
  readonly wanted: WantedServer | undefined
}

/** A URL of one server or several, before, in and behind the list of its hosts. */
export interface UrlParts {
  /** Scheme, user and password, which may hold an @. */
  readonly before: string
  /** With their ports. */
  readonly hosts: readonly string[]
  readonly after: string
}

const parts = /^([^:]+:\/\/(?:[^/?#]*@)?)([^/?#@]*)(.*)$/s

/** Null for what is no URL of servers. */
export function partsOf(url: string): UrlParts | null {
  const [, before, hosts, after] = parts.exec(url) ?? []
  if (before === undefined || hosts === undefined || after === undefined) return null
  return { before, hosts: hosts.split(','), after }
}

/** Takes a URL of several servers apart; one of a single server is left as it is. */
export function serverUrls(url: string): ServerUrls {
  const { before, hosts, after } = partsOf(url) ?? { before: url, hosts: [''], after: '' }
  const given = /[?&]target_session_attrs=([^&#]*)/.exec(after)?.[1]
  const wanted = given !== undefined && wantedServers.has(given) ? (given as WantedServer) : undefined
  if (hosts.length === 1) return { urls: [url], wanted }
  const rest = after.replace(/([?&])target_session_attrs=[^&#]*&?/, '$1').replace(/[?&](?=#|$)/, '')
  const [first = '', ...others] = hosts.map((host) => `${before}${host}${rest}`)
  return { urls: [first, ...others], wanted }
}

/** Where the one server of a URL listens, as the driver keeps it. */
export function listeningAt(url: string): { host: string[]; port: number[] } {
  const { hostname, port } = new URL(url)
  return { host: [hostname.replace(/^\[|\]$/g, '') || 'localhost'], port: [Number(port || 5432)] }
}

/** For the driver, which takes [::1] apart at its colons. */
export function addressOf(url: string): object {
  return URL.parse(url)?.hostname.startsWith('[') ? listeningAt(url) : {}
}

/** The URL of a database that is written to: of several servers the one that takes writes, where it does not say otherwise. */
export function forWriting(url: string): string {
  const { urls, wanted } = serverUrls(url)
  if (urls.length === 1 || wanted !== undefined) return url
  const [base = '', ...fragment] = url.split('#')
  const joint = base.includes('?') ? '&' : '?'
  return [`${base}${joint}target_session_attrs=read-write`, ...fragment].join('#')
}

/** Where the servers of a URL are, without user and password. */
export function placeOf(url: string): string {
  const { urls } = serverUrls(url)
  const places = urls.map((one) => URL.parse(one)?.host || 'localhost')
  return `${places.join(',')}${URL.parse(urls[0])?.pathname ?? ''}`
}
