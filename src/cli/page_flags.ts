import { type Command, InvalidArgumentError } from 'commander'
import { type Config, isHost } from '../config.ts'

/** How a command is told where the page listens, and what it lets people do. */
export interface PageFlags {
  readonly host?: string
  readonly port?: number
  readonly allowActions?: boolean
}

export function addPageOptions(command: Command): Command {
  return command
    .option('--host <address>', 'where the page listens (PGFIGI_PAGE_HOST, else 127.0.0.1)', parseHost)
    .option('--port <number>', 'its port, 0 for a free one (PGFIGI_PAGE_PORT, else 8080)', parsePort)
    .option('--allow-actions', 'let the buttons of the page work: fetch, retry, unlock')
}

/** The settings, with what was given on the command line in place of the environment's. */
export function withPageFlags(config: Config, { host, port }: PageFlags): Config {
  const { page } = config
  // An empty host counts as not given, as in the environment: the system would take it for every address.
  return { ...config, page: { ...page, host: host || page.host, port: port ?? page.port } }
}

function parseHost(text: string): string {
  if (text === '' || isHost(text)) return text
  throw new InvalidArgumentError('It is an address or a host name, such as 127.0.0.1.')
}

function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new InvalidArgumentError('It is a whole number from 0 to 65535.')
}
