/** Writing answers, and spoiling them. */

import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ArmedFault } from './faults.ts'
import { STATUS_TEXTS, type WireAnswer } from './wire.ts'

type Headers = Record<string, string>

/** Every error is a text that calls itself HTML. */
export function sendText(
  response: ServerResponse,
  status: number,
  headers: Headers = {},
  text?: string,
): void {
  const body = text ?? STATUS_TEXTS[status] ?? `Status ${status}.`
  send(response, status, { ...headers, 'content-type': 'text/html; charset=utf-8' }, body)
}

export function sendJson(
  response: ServerResponse,
  value: unknown,
  headers: Headers = {},
  status = 200,
): void {
  send(response, status, { ...headers, ...JSON_TYPE }, JSON.stringify(value))
}

/** Answers with the fault; the status that the client sees, or null where it sees none. */
export async function sendFault(
  response: ServerResponse,
  fault: ArmedFault,
  answers: WireAnswer[],
  headers: Headers,
): Promise<number | null> {
  const { status } = fault
  switch (fault.kind) {
    case 'hang':
      return null
    case 'reset':
      response.socket?.resetAndDestroy()
      return null
    case 'status':
      sendText(response, status, headers, fault.body)
      return status
    case 'html':
      sendText(response, status, headers, fault.body ?? '<!doctype html><title>Sorry</title><h1>Sorry</h1>')
      return status
    case 'notJson':
      send(response, status, { ...headers, ...JSON_TYPE }, fault.body ?? '[{"data":[{"figi":"BBG0')
      return status
    case 'emptyBody':
      send(response, status, { ...headers, ...JSON_TYPE }, '')
      return status
    case 'jobErrors': {
      const error = fault.message ?? 'Something went wrong.'
      sendJson(
        response,
        answers.map(() => ({ error })),
        headers,
        status,
      )
      return status
    }
    case 'wrongLength': {
      const by = fault.by ?? -1
      const wrong = by < 0 ? answers.slice(0, by) : [...answers, ...answers.slice(0, by)]
      sendJson(response, wrong, headers, status)
      return status
    }
    case 'truncated': {
      const body = Buffer.from(JSON.stringify(answers))
      const half = body.subarray(0, body.length >> 1)
      response.writeHead(status, { ...headers, ...JSON_TYPE, 'content-length': String(body.length) })
      response.write(half, () => response.destroy())
      return status
    }
    case 'slowDrip': {
      const body = Buffer.from(JSON.stringify(answers))
      const piece = Math.ceil(body.length / 10)
      response.writeHead(status, { ...headers, ...JSON_TYPE, 'content-length': String(body.length) })
      for (let from = 0; from < body.length && !response.destroyed; from += piece) {
        await sleep((fault.overMs ?? 500) / 10)
        response.write(body.subarray(from, from + piece))
      }
      response.end()
      return status
    }
  }
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }

function send(response: ServerResponse, status: number, headers: Headers, body: string): void {
  response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) })
  response.end(body)
}
