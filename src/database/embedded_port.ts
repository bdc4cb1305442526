import { createServer } from 'node:net'

/** Below the ports that systems give to outgoing connections (32768 and up), so that a remembered one stays free. */
const FIRST_PORT = 20_000
const PORTS = 12_000

/** The first free loopback port from `preferred` on. */
export async function freePort(preferred: number): Promise<number> {
  for (let offset = 0; offset < PORTS; offset++) {
    const port = offset === 0 ? preferred : FIRST_PORT + ((preferred - FIRST_PORT + offset + PORTS) % PORTS)
    if (await isFree(port)) return port
  }
  throw new Error('No loopback port is free')
}

/** Where a home that has no port yet begins to look: spread out, so that two homes seldom meet. */
export function firstPort(): number {
  return FIRST_PORT + Math.floor(Math.random() * PORTS)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
