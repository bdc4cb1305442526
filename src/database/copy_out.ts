import type { Readable } from 'node:stream'

/**
 * The bytes of a `copy ... to stdout`, no faster than they are taken; afterwards the connection is free for the next query.
 * The driver pauses the connection where its buffer is full and goes on when more is read: where the very end has filled it,
 * nobody would read on, and the next query would wait for ever.
 */
export async function* copyOut(query: { readable(): Promise<Readable> }): AsyncGenerator<Buffer> {
  const stream = await query.readable()
  for await (const bytes of stream as AsyncIterable<Buffer>) yield bytes
  stream._read(0)
}
