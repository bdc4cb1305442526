import { z } from 'zod'
import type { App, Parts } from '../app.ts'
import { healthOrWhy } from '../health_or_why.ts'
import { healthCheck } from '../models.ts'
import { isLocal } from '../origin.ts'

const readiness = z.object({
  status: z.enum(['ok', 'warn', 'fail']),
  checks: z
    .array(healthCheck)
    .describe('Shown to those who are let in or ask from the same machine, else empty'),
})

/** For whoever watches this process: whether it lives, whether all is well, and figures. */
export function addProbeRoutes(app: App, { data }: Parts): void {
  app.get(
    '/healthz',
    { config: { access: 'everyone', lane: 'probe', isLogged: false }, schema: { hide: true } },
    async (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok'),
  )

  app.get(
    '/readyz',
    {
      config: { access: 'everyone', lane: 'probe', isLogged: false },
      schema: {
        tags: ['watching'],
        summary: 'Whether every health check holds: 503 where one fails, or the database does not answer',
        response: { 200: readiness, 503: readiness },
      },
    },
    async (request, reply) => {
      const showsDetails = request.visitor !== null || isLocal(request.headers, request.socket.remoteAddress)
      const { status, checks } = await healthOrWhy(data)
      const failing = checks.filter((check) => check.status === 'fail')
      if (failing.length > 0) request.fault = { reason: failing.map(({ sentence }) => sentence).join(' ') }
      return reply.code(status === 'fail' ? 503 : 200).send({ status, checks: showsDetails ? checks : [] })
    },
  )

  app.get(
    '/metrics',
    { config: { lane: 'probe', isLogged: false }, schema: { hide: true } },
    async (_request, reply) => {
      const { type, text } = await data.metrics()
      return reply.type(type).send(text)
    },
  )
}
