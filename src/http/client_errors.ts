import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'

const statuses: Readonly<Record<string, number>> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }

/** So long the answer may take to arrive. */
const lingersMs = 1000

/** As every answer has them. */
const headers = [
  'Connection: close',
  'Content-Type: application/json; charset=utf-8',
  "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options: nosniff',
  'X-Frame-Options: DENY',
  'Cache-Control: no-store',
  '',
].join('\r\n')

/** Answers what is no request that could be read. The line for it has a code: the error holds what was sent, secrets included. */
export function answerClientError(
  log: FastifyBaseLogger,
  { code = '' }: NodeJS.ErrnoException,
  socket: Socket,
): void {
  if (code === 'ECONNRESET' || socket.destroyed) return
  const status = statuses[code] ?? 400
  log.trace({ status, reason: code }, 'What came is no request')
  if (socket.writable) {
    const body = JSON.stringify({ error: `${STATUS_CODES[status]}.` })
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`,
    )
    // What has not been read yet would take the answer away with it.
    setTimeout(() => socket.destroy(), lingersMs).unref()
  } else socket.destroy()
}
