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

const parts = /^([^:]+:\/\/(?:[^/?#]*@)?)([^/?#@]*)(.*)$/s

/** Takes a URL of several servers apart; one of a single server is left as it is. */
export function serverUrls(url: string): ServerUrls {
  const [, before = url, hosts = '', after = ''] = parts.exec(url) ?? []
  const given = /[?&]target_session_attrs=([^&#]*)/.exec(after)?.[1]
  const wanted = given !== undefined && wantedServers.has(given) ? (given as WantedServer) : undefined
  if (!hosts.includes(',')) return { urls: [url], wanted }
  const rest = after.replace(/([?&])target_session_attrs=[^&#]*&?/, '$1').replace(/[?&](?=#|$)/, '')
  const [first = '', ...others] = hosts.split(',').map((host) => `${before}${host}${rest}`)
  return { urls: [first, ...others], wanted }
}

/** For the driver, which takes [::1] apart at its colons. */
export function addressOf(url: string): object {
  const { hostname = '', port = '' } = URL.parse(url) ?? {}
  return hostname.startsWith('[') ? { host: [hostname.slice(1, -1)], port: [Number(port || 5432)] } : {}
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
