import { type Dispatcher, request } from 'undici'
import { OpenFigiAnswerTooLargeError } from '../errors/openfigi_answer_too_large_error.ts'
import { OpenFigiAuthError } from '../errors/openfigi_auth_error.ts'
import { OpenFigiPayloadTooLargeError } from '../errors/openfigi_payload_too_large_error.ts'
import { OpenFigiRateLimitError } from '../errors/openfigi_rate_limit_error.ts'
import { OpenFigiRequestError } from '../errors/openfigi_request_error.ts'
import { OpenFigiResponseError } from '../errors/openfigi_response_error.ts'
import { OpenFigiServerError } from '../errors/openfigi_server_error.ts'
import { OpenFigiTransportError } from '../errors/openfigi_transport_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { childController, orAborted } from '../waiting.ts'
import { type Answer, readAnswers } from './answer_schema.ts'
import { faultyElements } from './answer_survey.ts'
import { mappingUrl } from './api_url.ts'
import type { MappingJob } from './jobs.ts'
import { quote } from './quote.ts'
import { type RateLimit, readRateLimit } from './rate_limit_headers.ts'
import { codeOf, withoutSecret } from './redact.ts'

export interface MappingRequest {
  /** The base of the API, as `parseApiUrl` returns it. */
  readonly url: URL
  readonly apiKey?: string | undefined
  readonly dispatcher: Dispatcher
  /** For the whole request: connection, headers and body. */
  readonly timeoutMs: number
  readonly jobs: readonly MappingJob[]
  readonly signal?: AbortSignal | undefined
  readonly maxResponseBytes?: number | undefined
  /** Told the status as soon as it is there, whatever then becomes of the answer. */
  readonly onStatus?: ((status: number) => void) | undefined
}

export interface MappingResponse {
  /** One for each job, in their order. */
  readonly answers: Answer[]
  readonly rateLimit: RateLimit
}

/**
 * A hundred of the widest known jobs answer with 7 MB; where more come, fewer are asked for at once. Parsed, an answer
 * that is made for it takes twenty times its size.
 */
const mostResponseBytes = 16 * 1024 * 1024

/** Errors come as a line of text. */
const mostErrorBytes = 16 * 1024

/** One `POST /v3/mapping`, sent once. Throws one of the OpenFigi errors, or the signal's reason. */
export async function postMapping(options: MappingRequest): Promise<MappingResponse> {
  const { apiKey, timeoutMs, signal } = options
  const { controller, release } = childController(signal)
  const deadline = new OpenFigiTransportError(`OpenFIGI did not answer in full within ${timeoutMs} ms`)
  const timer = setTimeout(() => controller.abort(deadline), timeoutMs)
  try {
    return await exchange(options, controller.signal)
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    if (error instanceof PgfigiError) throw error
    throw new OpenFigiTransportError(`OpenFIGI could not be reached: ${describe(error, apiKey)}`, {
      cause: withoutSecret(error, apiKey),
    })
  } finally {
    clearTimeout(timer)
    release()
  }
}

async function exchange(options: MappingRequest, signal: AbortSignal): Promise<MappingResponse> {
  const { url, apiKey, dispatcher, timeoutMs, jobs } = options
  const sent = request(mappingUrl(url), {
    dispatcher,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'pgfigi',
      ...(apiKey ? { 'x-openfigi-apikey': apiKey } : {}),
    },
    body: JSON.stringify(jobs),
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    signal,
  })
  // undici hears the signal only once there is a connection: a response that comes after all is thrown away.
  const { statusCode, headers, body } = await orAborted(sent, signal).catch((error) => {
    sent.then((late) => late.body.on('error', () => {}).destroy()).catch(() => {})
    throw error
  })
  options.onStatus?.(statusCode)
  const rateLimit = readRateLimit(headers, Date.now())
  if (statusCode !== 200) {
    const text = await readErrorText(body)
    throw errorOfStatus(statusCode, quote(text, apiKey), {
      jobs: jobs.length,
      rateLimit,
      sentKey: Boolean(apiKey),
    })
  }
  const { 'content-encoding': encoding = 'identity' } = headers
  if (encoding !== 'identity') {
    body.on('error', () => {}).destroy()
    throw new OpenFigiResponseError(
      `OpenFIGI sent a compressed answer (${quote(String(encoding), apiKey)}), which it was asked not to`,
    )
  }
  const text = decode(await readBody(body, options, signal), apiKey)
  const answers = readAnswers(parseJson(text, apiKey), jobs.length, apiKey, () => faultyElements(text))
  return { answers, rateLimit }
}

type Body = Dispatcher.ResponseData['body']

/** Read piece by piece, so that the cap holds whatever the headers promise. */
async function readBody(body: Body, options: MappingRequest, signal: AbortSignal): Promise<Buffer> {
  const { apiKey, maxResponseBytes = mostResponseBytes } = options
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxResponseBytes) break
      chunks.push(chunk)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw new OpenFigiResponseError(`The answer of OpenFIGI broke off: ${describe(error, apiKey)}`, {
      cause: withoutSecret(error, apiKey),
    })
  }
  if (size > maxResponseBytes) {
    throw new OpenFigiAnswerTooLargeError(maxResponseBytes, options.jobs.length)
  }
  return Buffer.concat(chunks)
}

/** As much of it as arrives: the status says enough. */
async function readErrorText(body: Body): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      size += chunk.length
      if (size >= mostErrorBytes) break
    }
  } catch {}
  return Buffer.concat(chunks).toString('utf8')
}

function decode(bytes: Buffer, apiKey: string | undefined): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw notJson(bytes.toString('utf8', 0, 8192), apiKey)
  }
}

function parseJson(text: string, apiKey: string | undefined): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // JSON.parse quotes what it read, without regard to secrets: so it is no cause here.
    throw notJson(text, apiKey)
  }
}

function notJson(text: string, apiKey: string | undefined): OpenFigiResponseError {
  return new OpenFigiResponseError(`OpenFIGI sent what is not JSON: ${quote(text, apiKey) || 'nothing'}`)
}

interface StatusContext {
  readonly jobs: number
  readonly rateLimit: RateLimit
  readonly sentKey: boolean
}

/** undici follows no redirect, and neither do we: the key would travel along. */
function errorOfStatus(
  status: number,
  text: string,
  { jobs, rateLimit, sentKey }: StatusContext,
): PgfigiError {
  if (status === 401 || status === 403) return new OpenFigiAuthError(status, text, sentKey)
  if (status === 408) return new OpenFigiTransportError('OpenFIGI waited too long for the request (HTTP 408)')
  if (status === 413) return new OpenFigiPayloadTooLargeError(jobs)
  if (status === 429) return new OpenFigiRateLimitError(rateLimit.retryAfterMs ?? rateLimit.resetMs)
  if (status >= 500) return new OpenFigiServerError(status, text)
  if (status < 300) return new OpenFigiResponseError(`OpenFIGI sent HTTP ${status} without an answer`)
  return new OpenFigiRequestError(status, text)
}

function describe(error: unknown, secret: string | undefined): string {
  const message = error instanceof Error ? error.message : String(error)
  return quote(message || codeOf(error) || 'no reason given', secret)
}
