import { type Logger as PinoLogger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { LogLevel } from './config.ts'

/** What the parts of pgfigi log through; a pino logger is one. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Names under which a secret could stand in a log line. */
const secrets = [
  'apiKey',
  'databaseUrl',
  'databaseReadUrl',
  'databaseDirectUrl',
  'connectionString',
  'password',
  'headers',
]

/** Logs to stderr: JSON, one line an event, or readable lines where stderr is a terminal. */
export function createLogger(level: LogLevel): PinoLogger {
  const options = { level, base: null, redact: secrets.flatMap((name) => [name, `*.${name}`]) }
  const stream = process.stderr.isTTY
    ? pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' })
    : pino.destination({ dest: 2, sync: true })
  return pino(options, stream)
}

/** For libraries and tests that want no log. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
