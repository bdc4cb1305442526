import { ImportError } from '../errors/import_error.ts'
import { type Lines, LongLines, linesOf } from '../import/lines.ts'
import { textOf } from '../import/text.ts'
import type { Beginning } from './beginning.ts'
import type { Reading } from './holdings.ts'

/** The lines of a file, by its own line end; what is longer than a record may be ends it with an ImportError. */
export async function* linesOfFile(
  { source, lineEnd }: Beginning,
  reading: Reading = {},
): AsyncGenerator<Lines> {
  const long = new LongLines(source.name)
  for await (const lines of linesOf(textOf(source, reading), long, endOf(lineEnd))) {
    refuse(long, source.name)
    yield lines
  }
  refuse(long, source.name)
}

/** The whole lines of its beginning. */
export async function* firstLinesOf({ beginning, isWhole, lineEnd }: Beginning): AsyncGenerator<Lines> {
  const end = endOf(lineEnd)
  const whole = isWhole ? beginning : beginning.slice(0, beginning.lastIndexOf(end) + 1)
  async function* text() {
    yield whole === '' ? beginning : whole
  }
  yield* linesOf(text(), undefined, end)
}

/** What the lines of a file are divided by: a CR before an LF stays with its line. */
export function endOf(lineEnd: Beginning['lineEnd']): '\n' | '\r' {
  return lineEnd === '\r' ? '\r' : '\n'
}

function refuse(long: LongLines, name: string): void {
  const [first] = long.take()
  if (first) throw new ImportError(name, `has a line, ${first.place.line}, that is longer than 4 MB.`)
}
