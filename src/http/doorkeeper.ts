import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App, Parts } from './app.ts'
import { Refusal } from './failure.ts'
import { isForeign } from './origin.ts'
import { Pace, type PaceOptions } from './pace.ts'
import { pathOf } from './request_log.ts'

/** No address that the page makes is longer. */
const longestUrl = 2048

/** The paths that programs ask, who want no page for an answer. */
export function isForPrograms(url: string): boolean {
  return /^\/(api|metrics|readyz|healthz)(\/|$)/.test(pathOf(url))
}

/** What each request passes before anything is done for it: its turn, a bounded address, and whether it may ask. */
export function keepDoor(app: App, { access }: Pick<Parts, 'access'>, pace: PaceOptions): void {
  const lanes = { page: new Pace(pace), probe: new Pace(pace) }
  app.addHook('preClose', async () => {
    for (const lane of Object.values(lanes)) lane.end()
  })

  app.addHook('onRequest', async (request, reply) => {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    if (!(await lanes[request.routeOptions.config.lane ?? 'page'].turn(gone.signal))) {
      reply.header('retry-after', '5')
      throw new Refusal(503, 'Too many ask at once: try again in a few seconds.')
    }
    if (request.url.length > longestUrl)
      throw new Refusal(414, `The address is too long: ${longestUrl} characters are enough.`)
  })

  app.addHook('onRequest', async (request, reply) => {
    request.visitor = access.visitorOf(request)
    const wanted = request.routeOptions.config.access ?? 'known'
    if (wanted === 'everyone' || request.visitor || (wanted === 'door' && !access.isOpen)) return
    if (access.isOpen) {
      throw new Refusal(
        403,
        'Without a password the page answers on its own machine alone, asked for by the name localhost or 127.0.0.1 and by no proxy: set PGFIGI_PAGE_PASSWORD to open it to others.',
      )
    }
    return sendToLogin(request, reply)
  })

  app.addHook('onRequest', async (request) => {
    const isReading = request.method === 'GET' || request.method === 'HEAD'
    if (!isReading && isForeign(request.headers))
      throw new Refusal(403, 'Another site sent this: only the page itself may.')
  })
}

function sendToLogin(request: FastifyRequest, reply: FastifyReply) {
  if (isForPrograms(request.url)) {
    reply.header('www-authenticate', 'Bearer')
    throw new Refusal(
      401,
      'This needs the token of PGFIGI_PAGE_TOKEN as a bearer token, or the session of a login.',
    )
  }
  const login = request.method === 'GET' ? `/login?next=${encodeURIComponent(request.url)}` : '/login'
  if (request.headers['hx-request'] === 'true') {
    // A part of a page that renews itself: the whole page goes to the login.
    reply.header('hx-redirect', '/login')
    throw new Refusal(401, 'The session has ended: log in again.')
  }
  return reply.redirect(login, 303)
}
