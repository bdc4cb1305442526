import { ConfigError } from '../errors/config_error.ts'

/**
 * The URL as `pg` understands it, which graphile-migrate and graphile-worker use: with sslmode in libpq's meaning, which
 * postgres.js gives it too. Throws a ConfigError for a URL of several servers, which postgres.js alone understands.
 */
export function pgUrl(url: string): string {
  const authority = /^[^:]+:\/\/([^/?#]*)/.exec(url)?.[1] ?? ''
  if (authority.slice(authority.lastIndexOf('@') + 1).includes(',')) {
    throw new ConfigError([
      'DATABASE_URL names several servers: clients can look up through it, but migrations and the worker need the URL of one, the primary',
    ])
  }
  const parsed = URL.parse(url)
  if (!parsed?.searchParams.has('sslmode')) return url
  parsed.searchParams.set('uselibpqcompat', 'true')
  return parsed.href
}
