import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ScriptedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The body, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they please
  readonly jobs: any[]
  readonly at: number
}

export interface ScriptedAnswer {
  readonly status?: number
  readonly headers?: Record<string, string>
  /** Text goes out as it is, anything else as JSON. */
  readonly body?: unknown
}

/** Answers one request: with an answer, or by doing to the response what no answer could. */
export type Step =
  | ScriptedAnswer
  | ((request: ScriptedRequest, response: ServerResponse) => ScriptedAnswer | undefined)

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string
  readonly requests: ScriptedRequest[]
}

/** A server on port 0 that plays the steps in order, and the last one for whatever comes after it. */
export async function startScriptedServer(...steps: [Step, ...Step[]]): Promise<ScriptedServer> {
  const requests: ScriptedRequest[] = []
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const request = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      body,
      jobs: body ? JSON.parse(body) : [],
      at: performance.now(),
    }
    const step = steps[Math.min(requests.push(request), steps.length) - 1] as Step
    const answer = typeof step === 'function' ? step(request, response) : step
    if (!answer) return
    response.writeHead(answer.status ?? 200, answer.headers)
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
