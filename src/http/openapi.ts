import swagger from '@fastify/swagger'
import { createJsonSchemaTransform } from 'fastify-type-provider-zod'
import type { App } from './app.ts'

/** The description of the JSON API, made from the schemas of its routes. */
export async function describeApi(app: App, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'pgfigi',
        version,
        description: 'What the page of pgfigi shows and does, as JSON. Times are ISO 8601 in UTC.',
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'reading', description: 'What is' },
        {
          name: 'actions',
          description: 'What the buttons do, where the page was started with --allow-actions',
        },
        { name: 'watching', description: 'For monitoring' },
      ],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'The token in PGFIGI_PAGE_TOKEN' },
        },
      },
      security: [{ token: [] }, {}],
    },
    transform: createJsonSchemaTransform({ zodToJsonConfig: { target: 'draft-2020-12' } }),
  })
  app.get('/api/v1/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
