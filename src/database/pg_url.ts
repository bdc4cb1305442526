/**
 * The URL of one server as `pg` understands it, which graphile-migrate and graphile-worker use: with sslmode in libpq's
 * meaning, which postgres.js gives it too.
 */
export function pgUrl(url: string): string {
  const parsed = URL.parse(url)
  if (!parsed?.searchParams.has('sslmode')) return url
  parsed.searchParams.set('uselibpqcompat', 'true')
  return parsed.href
}
