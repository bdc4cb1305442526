import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PageSettings } from '../config.ts'
import { ConfigError } from '../errors/config_error.ts'
import { type CookieNames, cookieNamesOf } from './cookie_names.ts'
import { isLoopback } from './loopback.ts'
import { isLocal } from './origin.ts'
import { sameSecret } from './same_secret.ts'
import { type Session, Sessions, sessionSeconds, type Who } from './sessions.ts'

/** Somebody who may see the page. */
export interface Visitor {
  readonly who: Who
  /** Of the login; null where none was needed, or a bearer token came along. */
  readonly session: Session | null
}

/** For so long a browser is known for one that somebody has logged in from. */
const browserSeconds = 90 * 86_400

/** Throws a ConfigError where anybody could reach a page that nothing guards. */
export function requireGuarded({ host, password, token }: PageSettings): void {
  if (password !== undefined || token !== undefined || isLoopback(host)) return
  throw new ConfigError([
    `PGFIGI_PAGE_PASSWORD or PGFIGI_PAGE_TOKEN must be set for the page to listen on ${host}, where others can reach it: set one, or listen on 127.0.0.1`,
  ])
}

/** Who may see the page: everybody on this machine where it has neither password nor token, else who knows one of them. */
export class Access {
  readonly cookies: CookieNames
  readonly #settings: PageSettings
  readonly #sessions: Sessions

  constructor(settings: PageSettings, sessions = new Sessions()) {
    this.cookies = cookieNamesOf(settings)
    this.#settings = settings
    this.#sessions = sessions
  }

  /** Whether nothing has to be known. */
  get isOpen(): boolean {
    return this.#settings.password === undefined && this.#settings.token === undefined
  }

  /** Who asks; null for strangers. */
  visitorOf(request: FastifyRequest): Visitor | null {
    if (this.isOpen) {
      const isHere = isLocal(request.headers, request.socket.remoteAddress)
      return isHere ? { who: 'loopback', session: null } : null
    }
    const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (bearer !== undefined) return this.#isToken(bearer) ? { who: 'token', session: null } : null
    const cookie = signedCookie(request, this.cookies.session)
    const session = cookie === null ? null : this.#sessions.of(cookie)
    return session && { who: session.who, session }
  }

  /** What somebody gave at the login: the password, or the token; null where it is neither. */
  recognise(secret: string): Who | null {
    const { password } = this.#settings
    const isPassword = password !== undefined && sameSecret(secret, password)
    const isToken = this.#isToken(secret)
    if (isPassword) return 'password'
    return isToken ? 'token' : null
  }

  signIn(request: FastifyRequest, reply: FastifyReply, who: Who): void {
    this.#end(request)
    reply.setCookie(this.cookies.session, this.#sessions.begin(who), {
      ...ownCookie(request),
      maxAge: sessionSeconds,
    })
    reply.setCookie(this.cookies.browser, this.browserOf(request) ?? `browser.${randomUUID()}`, {
      ...ownCookie(request),
      path: '/login',
      maxAge: browserSeconds,
    })
  }

  /** The mark of a browser that somebody has logged in from before; null of any other. */
  browserOf(request: FastifyRequest): string | null {
    const mark = signedCookie(request, this.cookies.browser)
    return mark?.startsWith('browser.') ? mark : null
  }

  signOut(request: FastifyRequest, reply: FastifyReply): void {
    this.#end(request)
    reply.clearCookie(this.cookies.session, { path: '/' })
  }

  #end({ visitor }: FastifyRequest): void {
    if (visitor?.session) this.#sessions.end(visitor.session)
  }

  #isToken(text: string): boolean {
    return this.#settings.token !== undefined && sameSecret(text, this.#settings.token)
  }
}

/** What a cookie says that this page has signed; null where there is none, or it has not. */
export function signedCookie(request: FastifyRequest, name: string): string | null {
  const cookie = request.cookies?.[name]
  if (cookie === undefined) return null
  const { valid, value } = request.unsignCookie(cookie)
  return valid ? value : null
}

/** A signed cookie that goes to this page alone; over TLS alone, where a proxy says that it speaks it. */
export function ownCookie(request: FastifyRequest) {
  const [protocol = ''] = String(request.headers['x-forwarded-proto']).split(',')
  const secure = protocol.trim().toLowerCase() === 'https'
  return { path: '/', httpOnly: true, sameSite: 'strict', signed: true, secure } as const
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null for strangers. */
    visitor: Visitor | null
  }
}
