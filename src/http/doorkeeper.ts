import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App, Parts } from './app.ts'
import { Refusal } from './failure.ts'
import { householdOf } from './household.ts'
import { isForeign, isForeignRead } from './origin.ts'
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
  const lanesOf = (options: PaceOptions) => ({ page: new Pace(options), probe: new Pace(options) })
  const lanes = { known: lanesOf(pace), strangers: lanesOf(halfOf(pace)) }
  app.addHook('preClose', async () => {
    for (const { page, probe } of Object.values(lanes)) for (const lane of [page, probe]) lane.end()
  })

  app.addHook('onRequest', async (request, reply) => {
    request.visitor = access.visitorOf(request)
    const isForced = isForcedByOthers(request)
    const { [request.routeOptions.config.lane ?? 'page']: lane } =
      request.visitor === null || isForced ? lanes.strangers : lanes.known
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    if (!(await lane.turn(request.visitor?.session?.id ?? householdOf(request.ip), gone.signal))) {
      reply.header('retry-after', '5')
      throw new Refusal(503, 'Too many ask at once: try again in a few seconds.')
    }
    if (request.headers.host === undefined) throw new Refusal(400, 'A request has to name its host.')
    if (request.url.length > longestUrl)
      throw new Refusal(414, `The address is too long: ${longestUrl} characters are enough.`)
    if (isForced) throw new Refusal(403, 'Another site sent this: only the page itself may.')
  })

  app.addHook('onRequest', async (request, reply) => {
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
}

/** Strangers get to the login, and no further: they neither keep others waiting nor guess often. */
function halfOf({ perSecond, burst = perSecond, ...rest }: PaceOptions): PaceOptions {
  return { ...rest, perSecond: perSecond / 2, burst: burst / 2 }
}

/** Whether a browser was made to send this by another site. */
function isForcedByOthers({ method, headers, routeOptions }: FastifyRequest): boolean {
  if (method !== 'GET' && method !== 'HEAD') return isForeign(headers)
  return routeOptions.config.access !== 'everyone' && isForeignRead(headers)
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
