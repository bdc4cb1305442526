import { once } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import type { Context } from './context.ts'

/** Writes a line of data to stdout, no faster than its reader takes them. */
export async function print(
  { stdout, signal }: Pick<Context, 'stdout' | 'signal'>,
  line: string,
): Promise<void> {
  signal.throwIfAborted()
  if (!stdout.write(`${line}\n`)) await once(stdout, 'drain', { signal })
}

/** Says something that is not data. */
export function tell({ stderr }: Pick<Context, 'stderr'>, sentence: string): void {
  stderr.write(`${sentence}\n`)
}

/** A text from outside in one line, unable to steer a terminal. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}

/** `1 mapping`, `12,345 mappings` */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}
