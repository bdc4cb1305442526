import { type Logger, pino } from 'pino'
import { request } from 'undici'
import { parseConfig } from '../../src/config.ts'
import type { App } from '../../src/http/app.ts'
import type { PaceOptions } from '../../src/http/pace.ts'
import { preparePage, startPage } from '../../src/http/running_page.ts'
import { requireNoTrace } from '../support/canaries.ts'

/** A database that is not there. */
export const nowhere = 'postgres://nobody@127.0.0.1:1/none'

/** No test is slowed down by the pace unless it wants to be. */
const noPace: PaceOptions = { perSecond: 10_000, mostWaiting: 1000, longestWaitMs: 5000 }

export interface ServeOptions {
  readonly url?: string
  readonly readUrl?: string
  readonly prepare?: boolean
  readonly password?: string
  readonly token?: string
  readonly host?: string
  readonly allowActions?: boolean
  readonly pace?: PaceOptions
  readonly logLevel?: 'debug' | 'trace'
}

export interface Asked {
  readonly method?: 'GET' | 'POST' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as a form. */
  readonly form?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Neither, as it is. */
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The text as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: each test knows what it asked for
  readonly json: any
}

/** A page as a browser or a program sees it; what `cookies` holds goes along, and what is set stays there. */
export interface Visit {
  readonly url: string
  readonly cookies: Map<string, string>
  /** Every line that was logged, as JSON text. */
  log(): string
  ask(path: string, asked?: Asked): Promise<Answer>
  /** The token against forgery in the form of a page. */
  csrfOf(path: string): Promise<string>
}

/** Serves a page on a free port for as long as the work takes. */
export async function withPage(options: ServeOptions, work: (visit: Visit) => Promise<void>): Promise<void> {
  const { logger, log } = recorded(options)
  await using page = await startPage(configOf(options), options.url ?? nowhere, pageOptions(options, logger))
  await work(visitTo(page.url, log))
  requireNoTrace('the log of the page', log())
}

/** The server of a page, which listens nowhere: what it is asked by `inject` costs little. */
export async function withServer(
  options: ServeOptions,
  work: (app: App, log: () => string) => Promise<void>,
): Promise<void> {
  const { logger, log } = recorded(options)
  await using page = await preparePage(
    configOf(options),
    options.url ?? nowhere,
    pageOptions(options, logger),
  )
  await page.app.ready()
  await work(page.app, log)
  requireNoTrace('the log of the page', log())
}

function recorded({ logLevel = 'debug' }: ServeOptions) {
  const lines: string[] = []
  const logger = pino({ level: logLevel }, { write: (line) => lines.push(line) })
  return { logger, log: () => lines.join('') }
}

function configOf(options: ServeOptions) {
  return parseConfig({
    DATABASE_READ_URL: options.readUrl,
    PGFIGI_PREPARE: String(options.prepare ?? true),
    PGFIGI_PAGE_HOST: options.host,
    PGFIGI_PAGE_PORT: '0',
    PGFIGI_PAGE_PASSWORD: options.password,
    PGFIGI_PAGE_TOKEN: options.token,
  })
}

function pageOptions({ allowActions = false, pace = noPace }: ServeOptions, logger: Logger) {
  return { allowActions, logger, pace }
}

/** Every route of a server, as `GET /changes`. */
export function routesOf(app: App): string[] {
  const above: string[] = []
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', segment = '', methods] =
        /^([ │]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? []
      if (segment === '') return []
      const depth = indent.length / 4
      above.length = depth
      above.push(segment)
      return (methods?.split(', ') ?? []).map((method) => `${method} ${above.join('')}`)
    })
    .sort()
}

export function visitTo(url: string, log: () => string = () => ''): Visit {
  const cookies = new Map<string, string>()
  const ask = async (path: string, asked: Asked = {}): Promise<Answer> => {
    const { form, json, body } = asked
    const type =
      form !== undefined
        ? 'application/x-www-form-urlencoded'
        : json !== undefined
          ? 'application/json'
          : undefined
    const sent =
      form !== undefined
        ? new URLSearchParams(form).toString()
        : json !== undefined
          ? JSON.stringify(json)
          : body
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await request(url + path, {
      method: asked.method ?? (sent === undefined ? 'GET' : 'POST'),
      headers: {
        ...(type ? { 'content-type': type } : {}),
        ...(cookie ? { cookie } : {}),
        ...asked.headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    })
    const text = await response.body.text()
    requireNoTrace(path, `${JSON.stringify(response.headers)}\n${text}`)
    keep(cookies, response.headers['set-cookie'])
    return {
      status: response.statusCode,
      headers: response.headers,
      text,
      get json() {
        return JSON.parse(text)
      },
    }
  }
  return {
    url,
    cookies,
    log,
    ask,
    async csrfOf(path) {
      const { text } = await ask(path)
      const token = /name="csrf" value="([^"]+)"/.exec(text)?.[1]
      if (token === undefined) throw new Error(`no form on ${path}: ${text}`)
      return token
    },
  }
}

/** The name under which a browser keeps a cookie of the page; a name of that kind where it has none. */
export function cookieOf(
  { cookies }: Pick<Visit, 'cookies'>,
  kind: 'session' | 'csrf' | 'notice' | 'browser',
): string {
  return [...cookies.keys()].find((name) => name.startsWith(`pgfigi_${kind}_`)) ?? `pgfigi_${kind}_none`
}

function keep(cookies: Map<string, string>, set: string | string[] | undefined): void {
  for (const line of [set ?? []].flat()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (value === '') cookies.delete(name)
    else cookies.set(name, value)
  }
}
