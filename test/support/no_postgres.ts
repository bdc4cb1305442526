import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

const kinds = {
  'an HTTP server': () => createHttpServer((_request, response) => response.end('hello')),
  'a server that closes at once': () => createServer((socket) => socket.destroy()),
  // A fatal alert, "unexpected message", which is what TLS says to the first bytes of PostgreSQL's protocol.
  'a server that speaks TLS alone': () =>
    createServer((socket) => socket.once('data', () => socket.end(Buffer.from('1503030002020a', 'hex')))),
  'a server that never says a word': () => createServer(),
} as const

export type NoPostgres = keyof typeof kinds
export const allNoPostgres = Object.keys(kinds) as NoPostgres[]

/** Something that listens and is no PostgreSQL, for the time of `work`, as DATABASE_URL would name it. */
export async function withNoPostgres(kind: NoPostgres, work: (url: string) => Promise<void>): Promise<void> {
  const server: Server = kinds[kind]()
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket.on('error', () => {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await work(`postgres://somebody:word-of-passage@127.0.0.1:${(server.address() as AddressInfo).port}/db`)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}
