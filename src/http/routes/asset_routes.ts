import { z } from 'zod'
import type { App } from '../app.ts'
import { assets } from '../assets.ts'
import { Refusal } from '../failure.ts'

/** The style sheet and the scripts. */
export function addAssetRoutes(app: App): void {
  app.get(
    '/assets/:name',
    {
      config: { access: 'door', isLogged: false },
      schema: {
        hide: true,
        params: z.object({ name: z.string() }),
        querystring: z.object({ v: z.string().min(8).optional().catch(undefined) }),
      },
    },
    async (request, reply) => {
      const asset = assets.get(request.params.name)
      if (!asset) throw new Refusal(404, 'There is no such file.')
      // Pages name a file with a part of its tag, so that another content has another address.
      const isNamedWhole = asset.etag.includes(request.query.v ?? ' ')
      reply
        .header('etag', asset.etag)
        .header('cache-control', isNamedWhole ? 'public, max-age=31536000, immutable' : 'no-cache')
      if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send()
      return reply.type(asset.type).send(asset.body)
    },
  )
}
