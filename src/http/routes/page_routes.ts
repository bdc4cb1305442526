import { z } from 'zod'
import type { App, Parts } from '../app.ts'
import { failureOf, Refusal } from '../failure.ts'
import { healthOrWhy } from '../health_or_why.ts'
import { readRunbook } from '../runbooks.ts'
import { searchTerm } from '../search.ts'
import { changesPage } from '../views/changes.ts'
import type { Frame } from '../views/frame.ts'
import { negativesPage } from '../views/negatives.ts'
import { overviewPage } from '../views/overview.ts'
import { requestsPage } from '../views/requests.ts'
import { runbookPage } from '../views/runbook.ts'
import { searchPage } from '../views/search.ts'
import { workPage } from '../views/work.ts'
import { chosenRange, chosenState } from './queries.ts'

const isShared = true

/** What people look at. */
export function addPageRoutes(app: App, { data, pages }: Parts): void {
  app.get('/', { schema: { hide: true, querystring: chosenRange } }, async (request, reply) => {
    const { range } = request.query
    const render = async (frame: Frame) => {
      const orSentence = (error: unknown) => failureOf(error).sentence
      // What cannot be read is told in its place: nothing hides the health, which says why.
      const [health, overview, charts] = await Promise.all([
        healthOrWhy(data),
        data.overview().catch(orSentence),
        data.charts(range).catch(orSentence),
      ])
      return overviewPage({ health, overview, charts, range }, frame)
    }
    return pages.send(request, reply, render, { isShared })
  })

  app.get(
    '/search',
    { schema: { hide: true, querystring: z.object({ q: z.string().max(200).default('') }) } },
    async (request, reply) => {
      const query = request.query.q.replaceAll(/\p{Cc}/gu, ' ').trim()
      const say = (message: string | null, status: number) =>
        pages.send(request, reply, (frame) => searchPage({ query, found: null, message }, frame), { status })
      if (query === '') return say(null, 200)
      const term = searchTerm(query)
      if ('problem' in term) return say(term.problem, 400)
      const { found, message } = await data.search(term)
      return pages.send(request, reply, (frame) => searchPage({ query, found, message }, frame), { isShared })
    },
  )

  app.get('/changes', { schema: { hide: true } }, async (request, reply) =>
    pages.send(request, reply, async (frame) => changesPage(await data.changes(), frame), { isShared }),
  )

  app.get('/negatives', { schema: { hide: true } }, async (request, reply) =>
    pages.send(request, reply, async (frame) => negativesPage(await data.negatives(), frame), { isShared }),
  )

  app.get('/requests', { schema: { hide: true, querystring: chosenState } }, async (request, reply) => {
    const { state } = request.query
    const render = async (frame: Frame) => requestsPage({ ...(await data.requests(state)), state }, frame)
    return pages.send(request, reply, render, { isShared })
  })

  app.get('/work', { schema: { hide: true } }, async (request, reply) => {
    const render = async (frame: Frame) => {
      const [work, { actions }] = await Promise.all([data.work(), data.actions()])
      return workPage({ work, actions }, frame)
    }
    return pages.send(request, reply, render, { isShared })
  })

  app.get(
    '/runbooks/:name',
    { schema: { hide: true, params: z.object({ name: z.string() }) } },
    async (request, reply) => {
      const { name } = request.params
      const text = await readRunbook(name)
      if (text === null) throw new Refusal(404, 'There is no such runbook.')
      return pages.send(request, reply, (frame) => runbookPage({ name, text }, frame), { isShared })
    },
  )
}
