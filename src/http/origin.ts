import type { IncomingHttpHeaders } from 'node:http'
import { isLoopback, namesLoopback } from './loopback.ts'

const forwarding = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'] as const

/**
 * Whether somebody on this machine asks, by a name that is this machine's own: a web site elsewhere that has its own name
 * point to 127.0.0.1 (DNS rebinding) is told by the Host header, and a proxy by what it adds.
 */
export function isLocal(headers: IncomingHttpHeaders, remoteAddress: string | undefined): boolean {
  return (
    isLoopback(remoteAddress ?? '') &&
    namesLoopback(headers.host) &&
    forwarding.every((name) => headers[name] === undefined)
  )
}

/**
 * Whether a browser says that another site makes it send this. Where it does not say (`null`, as our own forms do under
 * `no-referrer`) the token against forgery has to tell.
 */
export function isForeign(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  const { origin } = headers
  if (origin === undefined || origin === 'null') return false
  return URL.parse(origin)?.host !== headers.host?.toLowerCase()
}

/**
 * Likewise of what is only read: a link from elsewhere leads here as to any page, but no other site may have a browser fetch
 * from it, as an image, say, or a script.
 */
export function isForeignRead(headers: IncomingHttpHeaders): boolean {
  return headers['sec-fetch-mode'] !== 'navigate' && isForeign(headers)
}

/** Where a form leads back to: a path of this page, else its front. */
export function pathWithin(path: string | undefined): string {
  if (path === undefined || path.length > 2000 || !/^\/(?![/\\])[\x21-\x7e]*$/.test(path)) return '/'
  const url = URL.parse(path, 'http://page.invalid')
  if (url?.origin !== 'http://page.invalid') return '/'
  const within = `${url.pathname}${url.search}`
  return within.startsWith('//') ? '/' : within // "/.//host" becomes "//host", which is another site
}
