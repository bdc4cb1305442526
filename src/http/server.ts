import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import cookie from '@fastify/cookie'
import csrfProtection from '@fastify/csrf-protection'
import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import fastify, { type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import type { App, Parts } from './app.ts'
import { answerClientError } from './client_errors.ts'
import { Connections } from './connections.ts'
import { isForPrograms, keepDoor } from './doorkeeper.ts'
import { failureOf, Refusal } from './failure.ts'
import { describeApi } from './openapi.ts'
import type { PaceOptions } from './pace.ts'
import { ownerOfTokens } from './pages.ts'
import { logController, logRequests, pathOf, requestIdOf } from './request_log.ts'
import { addActionRoutes } from './routes/action_routes.ts'
import { addApiRoutes } from './routes/api_routes.ts'
import { addAssetRoutes } from './routes/asset_routes.ts'
import { addLoginRoutes } from './routes/login_routes.ts'
import { addPageRoutes } from './routes/page_routes.ts'
import { addProbeRoutes } from './routes/probe_routes.ts'
import { securityHeaders } from './security_headers.ts'
import { errorPage } from './views/error.ts'

/** No page needs more than a few. */
const mostConnections = 256

const limits = { bodyLimit: 64 * 1024, routerOptions: { maxParamLength: 16 * 1024 } } // the whole address has a limit

/** A browser on a slow line sends its request within these, and takes the answer; whoever does not holds no connection. */
const patience = {
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2000,
  longestMs: 30_000,
}

/**
 * Clients are told that a connection stays open for so long, and it does for as long again: what is sent at the last moment,
 * on a machine that is slow to read it, would be lost with the connection.
 */
const keeping = { keepAliveTimeout: 10_000, keepAliveTimeoutBuffer: 10_000 }

/** By default: the page takes no more than a small share of a machine, whatever is asked of it. */
const usualPace: PaceOptions = {
  perSecond: 25,
  burst: 50,
  mostWaiting: mostConnections,
  longestWaitMs: 5000,
}

/** The HTTP server with all its routes, ready to listen. */
export async function createServer(
  parts: Parts,
  logger: FastifyBaseLogger,
  pace: PaceOptions = usualPace,
): Promise<App> {
  // New with each process: sessions end with it.
  const secret = randomBytes(32).toString('base64url')
  const { longestMs, ...timeouts } = patience
  const connections = new Connections({ most: mostConnections, longestMs })
  const app: App = fastify({
    ...limits,
    loggerInstance: logger,
    logController,
    genReqId: requestIdOf,
    requestIdHeader: false,
    clientErrorHandler: () => {}, // by the factory, for all servers: the name localhost has two
    serverFactory(answer) {
      const options = { ...timeouts, ...keeping, maxHeaderSize: 16 * 1024, requireHostHeader: false }
      const server = connections.createServer(options, answer)
      server.on('clientError', (error, socket) => answerClientError(logger, error, socket as Socket))
      return server
    },
    rewriteUrl: ({ url = '/' }) => (isDecodable(pathOf(url)) ? url : '/not-found'),
    forceCloseConnections: 'idle',
    trustProxy: false,
  }).withTypeProvider<ZodTypeProvider>()
  app.removeContentTypeParser('text/plain')
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.decorateRequest('visitor', null)
  app.decorateRequest('fault', null)
  app.setErrorHandler((error, request, reply) => answerFailure(parts, error, request, reply))
  app.setNotFoundHandler((request, reply) =>
    answerFailure(parts, new Refusal(404, 'There is no such page.'), request, reply),
  )

  await app.register(helmet, securityHeaders)
  logRequests(app)
  await app.register(cookie, { secret })
  keepDoor(app, parts, pace)
  await app.register(csrfProtection, {
    cookieKey: parts.access.cookies.csrf,
    cookieOpts: { path: '/', httpOnly: true, sameSite: 'strict', signed: true },
    csrfOpts: { hmacKey: secret, userInfo: true },
    getUserInfo: ownerOfTokens,
    getToken: tokenOf,
  })
  await app.register(formbody, { bodyLimit: limits.bodyLimit })
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
  await describeApi(app, parts.version)
  addProbeRoutes(app, parts)
  addAssetRoutes(app)
  addLoginRoutes(app, parts)
  addPageRoutes(app, parts)
  addApiRoutes(app, parts)
  addActionRoutes(app, parts)
  return app
}

/** What is not would be refused before anything else, and so would not be paced. */
function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

/** The token against forgery: in the field csrf of a form, or in a header. */
function tokenOf(request: FastifyRequest): string {
  const { body, headers } = request
  const field =
    typeof body === 'object' && body !== null && 'csrf' in body ? body.csrf : headers['x-csrf-token']
  return typeof field === 'string' ? field : ''
}

/** For people a page, for programs JSON, always of one shape. */
async function answerFailure(
  { pages }: Parts,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { status, sentence } = failureOf(error)
  request.fault = status === 500 ? { err: error } : { reason: sentence }
  if (isForPrograms(request.url)) return reply.code(status).send({ error: sentence })
  return pages.send(request, reply, (frame) => errorPage({ status, message: sentence }, frame), { status })
}
