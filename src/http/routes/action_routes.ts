import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Actor } from '../../database/operations.ts'
import { type Identifier, normalizeIdentifier } from '../../identifiers.ts'
import type { App, Parts } from '../app.ts'
import { Refusal } from '../failure.ts'
import { actionOutcome } from '../models.ts'
import { pathWithin } from '../origin.ts'
import { failures } from './failures.ts'

const text = z.string().max(200)
const onOne = z.object({ identifier_type: text, identifier_value: text })
const back = z.object({ back: z.string().max(2000).optional() })

/** The buttons of the page, and the same for programs. */
export function addActionRoutes(app: App, parts: Parts): void {
  const { data, pages } = parts
  const requireActions = async () => {
    if (!parts.allowActions)
      throw new Refusal(403, 'This page only shows: start it with --allow-actions for its buttons to work.')
  }

  allowEmptyBodies(app)

  for (const [name, act] of Object.entries({ fetch: data.fetch, retry: data.retry })) {
    addForm(name, onOne, ({ body, actor }) => act(actor, identifierOf(body)))
    addApi(name, onOne, ({ body, actor }) => act(actor, identifierOf(body)))
  }
  for (const [name, act] of Object.entries({ 'retry-all': data.retryAll, unlock: data.unlock })) {
    addForm(name, z.object({}), ({ actor }) => act(actor))
    addApi(name, null, ({ actor }) => act(actor))
  }

  /** What came of it, and no page of before is shown any more. */
  async function done(outcome: Promise<string>): Promise<string> {
    try {
      return await outcome
    } finally {
      pages.forget()
    }
  }

  function addForm<Body extends z.ZodObject>(
    name: string,
    body: Body,
    work: (given: { body: z.infer<Body>; actor: Actor }) => Promise<string>,
  ): void {
    app.post(
      `/actions/${name}`,
      {
        preValidation: app.csrfProtection,
        preHandler: requireActions,
        schema: { hide: true, body: body.extend(back.shape) },
      },
      async (request, reply) => {
        const given = request.body as z.infer<Body> & z.infer<typeof back>
        pages.leaveNotice(request, reply, await done(work({ body: given, actor: actorOf(request) })))
        return reply.redirect(pathWithin(given.back), 303)
      },
    )
  }

  /** A body of null: none is needed, and what comes is not looked at. */
  function addApi<Body extends z.ZodType>(
    name: string,
    body: Body | null,
    work: (given: { body: z.infer<Body>; actor: Actor }) => Promise<string>,
  ): void {
    app.post(
      `/api/v1/actions/${name}`,
      {
        preValidation: unlessBearer(app),
        preHandler: requireActions,
        schema: {
          tags: ['actions'],
          summary: summaries[name] ?? '',
          ...(body && { body }),
          response: { 200: actionOutcome, ...failures },
        },
      },
      async (request) => ({
        outcome: await done(work({ body: request.body as z.infer<Body>, actor: actorOf(request) })),
      }),
    )
  }
}

/** Programs name the type of a body that they do not send: that is none, where none is needed. */
function allowEmptyBodies(app: App): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '' && request.routeOptions.schema?.body === undefined) done(null)
    else parseJson(request, body as string, done)
  })
}

const summaries: Readonly<Record<string, string>> = {
  fetch: 'Fetch an identifier again, before what waits',
  retry: 'Try a request again that gave up, or a negative',
  'retry-all': 'Try all requests again that gave up',
  unlock: 'Free the jobs of workers that have died',
}

/** A browser sends cookies whoever makes it send; a bearer token it does not. */
function unlessBearer(app: App) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    const isBearer = request.visitor?.who === 'token' && request.visitor.session === null
    if (isBearer) done()
    else app.csrfProtection(request, reply, done)
  }
}

function identifierOf(body: z.infer<typeof onOne>): Identifier {
  const identifier = normalizeIdentifier(body.identifier_type, body.identifier_value)
  if (identifier) return identifier
  throw new Refusal(400, 'That is no CUSIP and no ISIN: malformed, or a wrong check digit.')
}

function actorOf(request: FastifyRequest): Actor {
  return { who: request.visitor?.who ?? 'nobody', address: request.socket.remoteAddress ?? '' }
}
