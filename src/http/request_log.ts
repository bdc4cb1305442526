import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { LogController } from 'fastify'
import type { App } from './app.ts'

/** fastify's own lines are left out: they hold headers and whole addresses. */
export const logController = new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request' })

/** The id of a request, given by a proxy in x-request-id where it is a plain word, else new. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID()
}

/** A line for each answer: never the query, which holds what people look for, nor headers or bodies. */
export function logRequests(app: App): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
  })
  app.addHook('onResponse', async (request, reply) => {
    const { fault, visitor, method, url, ip, routeOptions } = request
    const fields = {
      method,
      path: pathOf(url),
      status: reply.statusCode,
      milliseconds: Math.round(reply.elapsedTime),
      address: ip,
      ...(visitor ? { who: visitor.who } : {}),
      ...fault,
    }
    if (reply.statusCode === 500) request.log.error(fields, 'Failed')
    else if (reply.statusCode >= 500) request.log.warn(fields, 'Not answered')
    else if (routeOptions.config.isLogged === false) request.log.debug(fields, 'Answered')
    else request.log.info(fields, 'Answered')
  })
}

/** Without the query. */
export function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? ''
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Why it was refused or failed: a sentence, or an error that nobody expected. */
    fault: { readonly reason: string } | { readonly err: unknown } | null
  }
}
