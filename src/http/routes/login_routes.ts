import { z } from 'zod'
import type { App, Parts } from '../app.ts'
import { householdOf } from '../household.ts'
import { pathWithin } from '../origin.ts'
import { loginPage } from '../views/login.ts'
import { WrongGuesses } from '../wrong_guesses.ts'

/** Wrong ones that may be tried within so long: from an address, by a browser that is known, and by all others together. */
const mostGuesses = 10
const mostInAll = 100
const guessesMs = 5 * 60_000

const text = z.string().max(2000)

/** The login and its end. */
export function addLoginRoutes(app: App, { access, pages }: Parts): void {
  const ofEach = new WrongGuesses(mostGuesses, guessesMs)
  const ofStrangers = new WrongGuesses(mostInAll, guessesMs)

  app.get(
    '/login',
    {
      config: { access: 'door' },
      schema: { hide: true, querystring: z.object({ next: text.optional() }) },
    },
    async (request, reply) => {
      const next = pathWithin(request.query.next)
      if (request.visitor) return reply.redirect(next, 303)
      return pages.send(request, reply, (frame) => loginPage({ message: null, next }, frame), {
        hasForm: true,
      })
    },
  )

  app.post(
    '/login',
    {
      config: { access: 'door' },
      preValidation: app.csrfProtection,
      schema: { hide: true, body: z.object({ password: text, next: text.optional() }) },
    },
    async (request, reply) => {
      const next = pathWithin(request.body.next)
      const refuse = (status: number, message: string) =>
        pages.send(request, reply, (frame) => loginPage({ message, next }, frame), { status, hasForm: true })
      // A browser that somebody has logged in from is not kept out by what others guess.
      const browser = access.browserOf(request)
      const guesser = browser ?? householdOf(request.ip)
      const restsMs = Math.max(ofEach.restsMs(guesser), browser === null ? ofStrangers.restsMs('all') : 0)
      if (restsMs > 0) {
        reply.header('retry-after', String(Math.ceil(restsMs / 1000)))
        return refuse(429, `Too many wrong passwords: try again in ${minutes(restsMs)}.`)
      }
      const who = access.recognise(request.body.password)
      if (who === null) {
        ofEach.count(guesser)
        if (browser === null) ofStrangers.count('all')
        request.log.warn({ address: request.ip }, 'Wrong password at the login of the page')
        return refuse(403, 'That is not the password.')
      }
      request.log.info({ address: request.ip, who }, 'Login to the page')
      access.signIn(request, reply, who)
      return reply.redirect(next, 303)
    },
  )

  app.post(
    '/logout',
    { preValidation: app.csrfProtection, schema: { hide: true } },
    async (request, reply) => {
      access.signOut(request, reply)
      return reply.redirect('/login', 303)
    },
  )
}

function minutes(milliseconds: number): string {
  const count = Math.max(1, Math.ceil(milliseconds / 60_000))
  return count === 1 ? 'a minute' : `${count} minutes`
}
