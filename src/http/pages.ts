import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Access, ownCookie, signedCookie } from './access.ts'
import { SharedAnswers } from './shared_answers.ts'
import type { Frame } from './views/frame.ts'

/** What is the same for all pages. */
export interface PageParts {
  readonly access: Access
  /** Whether the buttons work, and are shown. */
  readonly allowActions: boolean
  /** Of pgfigi. */
  readonly version: string
}

export interface PageOptions {
  readonly status?: number
  /** Whether it has a form also for strangers, as the login has. */
  readonly hasForm?: boolean
  /** Whether others who ask for the same within a second get what was made for the first. */
  readonly isShared?: boolean
}

type Render = (frame: Frame) => string | Promise<string>

/** A page holds tables of some hundred rows. */
const mostKept = 50
const keptMs = 1000

/** Stands in a page for the token of whoever it is made for. */
const tokenPlace = `token-${randomBytes(18).toString('hex')}`

/** To whom a token against forgery belongs: of another session it is worth nothing. */
export function ownerOfTokens(request: FastifyRequest): string {
  return request.visitor?.session?.id ?? 'nobody'
}

/** Sends pages, each made once a second at the most, however many look at it. */
export class Pages {
  readonly #parts: PageParts
  readonly #made = new SharedAnswers(mostKept)

  constructor(parts: PageParts) {
    this.#parts = parts
  }

  async send(
    request: FastifyRequest,
    reply: FastifyReply,
    render: Render,
    { status = 200, hasForm = false, isShared = false }: PageOptions = {},
  ): Promise<FastifyReply> {
    const { allowActions, version } = this.#parts
    const session = request.visitor?.session ?? null
    const needsToken = hasForm || session !== null || (allowActions && request.visitor !== null)
    const notice = this.#takeNotice(request, reply)
    const frame: Frame = {
      path: request.url,
      csrfToken: needsToken ? tokenPlace : null,
      allowActions,
      user: session?.who ?? null,
      notice,
      version: request.visitor === null ? null : version,
    }
    const name = JSON.stringify([frame.path, frame.user, needsToken, frame.version])
    const html =
      isShared && notice === null
        ? await this.#made.of(name, keptMs, async () => render(frame))
        : await render(frame)
    const token = needsToken
      ? reply.generateCsrf({ ...ownCookie(request), userInfo: ownerOfTokens(request) })
      : ''
    return reply.code(status).type('text/html; charset=utf-8').send(html.replaceAll(tokenPlace, token))
  }

  /** After a button, nobody is shown what was before. */
  forget(): void {
    this.#made.forget()
  }

  /** Says on the next page that this browser loads what came of a button. */
  leaveNotice(request: FastifyRequest, reply: FastifyReply, notice: string): void {
    const value = Buffer.from(notice.slice(0, 1000)).toString('base64url')
    reply.setCookie(this.#parts.access.cookies.notice, value, { ...ownCookie(request), maxAge: 60 })
  }

  #takeNotice(request: FastifyRequest, reply: FastifyReply): string | null {
    const name = this.#parts.access.cookies.notice
    if (request.cookies?.[name] === undefined) return null
    reply.clearCookie(name, { path: '/' })
    const notice = signedCookie(request, name)
    return notice === null ? null : Buffer.from(notice, 'base64url').toString()
  }
}
