/** A local server of the views with example models, under the Content-Security-Policy of the real one. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { assets } from '../../src/http/assets.ts'

const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

export interface PageServer extends AsyncDisposable {
  readonly url: string
  /** What has been posted, as path and form. */
  readonly posted: readonly string[]
}

/** Serves what `render` makes of a path with its query, null being 404, and answers each POST with a redirect. */
export async function startPageServer(render: (path: string) => string | null): Promise<PageServer> {
  const posted: string[] = []
  const server = createServer((request, response) => {
    void answer(request, response).catch((error) => {
      response.writeHead(500).end(String(error))
    })
  })
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/'
    const asset = assets.get(path.split('?', 1)[0]?.replace('/assets/', '') ?? '')
    if (asset) {
      response.writeHead(200, { 'content-type': asset.type, etag: asset.etag }).end(asset.body)
      return
    }
    if (request.method === 'POST') {
      let body = ''
      for await (const chunk of request) body += chunk
      posted.push(`${path} ${body}`)
      response.writeHead(303, { location: new URLSearchParams(body).get('back') ?? '/' }).end()
      return
    }
    const page = render(path)
    response
      .writeHead(page === null ? 404 : 200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': contentSecurityPolicy,
      })
      .end(page ?? 'There is no such page')
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    posted,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
