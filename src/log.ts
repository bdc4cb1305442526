import { type Logger as PinoLogger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config, LogLevel } from './config.ts'
import { mark, type SecretSettings, secretsOf, withoutSecrets } from './secrets.ts'

/** What the parts of pgfigi log through; a pino logger is one. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Names under which a secret could stand in a log line, whether it is one that we know or not. */
const secretNames = [
  'apiKey',
  'databaseUrl',
  'databaseReadUrl',
  'databaseDirectUrl',
  'connectionString',
  'password',
  'token',
  'headers',
]

/**
 * Logs to stderr: JSON, one line an event, or readable lines where stderr is a terminal. The secrets of the settings, and
 * passwords in connection strings, are taken out wherever they stand: in messages, in errors, in nested fields.
 */
export function createLogger(
  settings: SecretSettings & Pick<Config, 'logLevel'>,
  level: LogLevel = settings.logLevel,
): PinoLogger {
  const secrets = secretsOf(settings)
  const paths = secretNames.flatMap((name) => [name, `*.${name}`])
  const options = {
    level,
    base: null,
    redact: { paths, censor: mark },
    hooks: { streamWrite: (line: string) => jsonWithoutSecrets(line, secrets) },
  }
  const stream = process.stderr.isTTY
    ? pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' })
    : pino.destination({ dest: 2, sync: true })
  return pino(options, stream)
}

/** For libraries and tests that want no log. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Only within its strings, where a secret stands as JSON writes it: numbers and brackets stay what they are. */
function jsonWithoutSecrets(line: string, secrets: readonly string[]): string {
  const written = secrets.map((secret) => JSON.stringify(secret).slice(1, -1))
  return line.replace(/"(?:[^"\\]|\\.)*"/g, (text) => `"${withoutSecrets(text.slice(1, -1), written)}"`)
}
