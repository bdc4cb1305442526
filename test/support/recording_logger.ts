import type { Logger } from '../../src/log.ts'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

/** A logger that keeps what it is told. */
export interface RecordingLogger extends Logger {
  readonly lines: LogLine[]
  /** The messages of one level. */
  messages(level: LogLine['level']): string[]
  /** Everything that was said, errors with their causes and stacks, as text. */
  text(): string
}

export function recordingLogger(): RecordingLogger {
  const lines: LogLine[] = []
  const at = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, fields, message })
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    messages: (level) => lines.filter((line) => line.level === level).map((line) => line.message),
    text: () => lines.map(({ fields, message }) => `${message} ${textOf(fields)}`).join('\n'),
  }
}

/** All that an inspector, or a serializer that knows errors, could find in a value. */
export function textOf(value: unknown, seen = new Set<unknown>()): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if (seen.has(value)) return ''
  seen.add(value)
  const names = Object.getOwnPropertyNames(value)
  return names.map((name) => `${name}: ${textOf(Reflect.get(value, name), seen)}`).join('; ')
}
