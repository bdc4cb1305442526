import { z } from 'zod'
import type { App, Parts } from '../app.ts'
import { Refusal } from '../failure.ts'
import { action, change, chart, found, health, negative, overview, queuedRequest, work } from '../models.ts'
import { searchTerm } from '../search.ts'
import { failures } from './failures.ts'
import { chosenRange, chosenState } from './queries.ts'

/** Everything that the page shows, as JSON. */
export function addApiRoutes(app: App, { data }: Parts): void {
  const tags = ['reading']
  const ok = <Model extends z.ZodType>(model: Model) => ({ 200: model, ...failures })

  app.get(
    '/api/v1/health',
    {
      schema: {
        tags,
        summary: 'The health checks',
        querystring: z.object({
          whole: z
            .enum(['true', 'false'])
            .default('false')
            .describe('Whether the laws are proven on the whole table, which large ones take too long for'),
        }),
        response: ok(health),
      },
    },
    async ({ query }) => data.health(query.whole === 'true'),
  )

  app.get(
    '/api/v1/overview',
    { schema: { tags, summary: 'How much there is', response: ok(overview) } },
    async () => data.overview(),
  )

  app.get(
    '/api/v1/charts',
    {
      schema: {
        tags,
        summary: 'Lookups, requests, ticker changes and growth over time',
        querystring: chosenRange,
        response: ok(z.object({ charts: z.array(chart) })),
      },
    },
    async ({ query }) => ({ charts: await data.charts(query.range) }),
  )

  app.get(
    '/api/v1/search',
    {
      schema: {
        tags,
        summary:
          'A CUSIP or ISIN as it is and was, or all that bear or bore a ticker; null where nothing is known',
        querystring: z.object({ q: z.string().max(200).describe('A CUSIP, an ISIN or a ticker') }),
        response: ok(z.object({ found: found.nullable(), message: z.string().nullable() })),
      },
    },
    async ({ query }) => {
      const term = searchTerm(query.q)
      if ('problem' in term) throw new Refusal(400, term.problem)
      return data.search(term)
    },
  )

  app.get(
    '/api/v1/changes',
    {
      schema: {
        tags,
        summary: 'The latest ticker changes',
        response: ok(z.object({ changes: z.array(change) })),
      },
    },
    async () => data.changes(),
  )

  app.get(
    '/api/v1/negatives',
    {
      schema: {
        tags,
        summary: 'The latest identifiers that OpenFIGI does not know',
        response: ok(z.object({ negatives: z.array(negative) })),
      },
    },
    async () => data.negatives(),
  )

  app.get(
    '/api/v1/requests',
    {
      schema: {
        tags,
        summary: 'Requests for a fetch that wait or gave up',
        querystring: chosenState,
        response: ok(z.object({ requests: z.array(queuedRequest) })),
      },
    },
    async ({ query }) => data.requests(query.state),
  )

  app.get(
    '/api/v1/work',
    { schema: { tags, summary: 'Jobs, processes and the crontab', response: ok(work) } },
    async () => data.work(),
  )

  app.get(
    '/api/v1/actions',
    {
      schema: {
        tags,
        summary: 'What was done by buttons, and by whom',
        response: ok(z.object({ actions: z.array(action) })),
      },
    },
    async () => data.actions(),
  )
}
