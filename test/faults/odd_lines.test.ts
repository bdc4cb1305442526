import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { identifiersIn } from '../../src/cli/inputs.ts'
import { jsonLines, run, withInstallation } from '../cli/pgfigi.ts'
import { withFolder } from '../import/reading.ts'
import { amount } from '../support/at_length.ts'

const signal = new AbortController().signal
const linesOf = (pieces: readonly (string | Buffer)[]) =>
  Array.fromAsync(identifiersIn(Readable.from(pieces.map((piece) => Buffer.from(piece))), signal))

test('a line of any length is one, and no identifier because of what it begins with', async () => {
  const long = ' '.repeat(1_000_000)
  const pieces = [
    '037833100',
    ...Array<string>(amount(10, 100)).fill(long),
    'x\n594918104\r',
    '\n\uFEFF\n',
    '# no\n \n',
    '594918104',
  ]
  const lines = await linesOf(pieces)
  assert.equal(lines.slice(1), ['594918104', '594918104'])
  assert.ok((lines[0]?.length ?? 0) < 100_000, 'only its beginning is kept')
  assert.match(lines[0] ?? '', /…/)
})

test('resolve answers each line of any bytes, and each word of its arguments', () =>
  withInstallation(({ env }) =>
    withFolder(async (folder) => {
      const path = join(folder, 'list')
      const odd = Array.from({ length: 300 }, () =>
        randomBytes(20)
          .toString('latin1')
          .replace(/[\r\n]/g, ''),
      )
      await writeFile(
        path,
        Buffer.concat([
          Buffer.from(`\uFEFF037833100\n${' '.repeat(amount(2, 10) * 2 ** 20)}x\n`),
          Buffer.from(`\0\n${odd.join('\n')}\n`, 'latin1'),
        ]),
      )
      const { code, stdout, stderr } = await run(['resolve', '--file', path, '--json', '--no-wait'], { env })
      assert.is(code, 0, stderr)
      const rows = jsonLines(stdout)
      const read = odd.map((text) => Buffer.from(text, 'latin1').toString().trim())
      const blank = read.filter((text) => text === '' || text.startsWith('#')).length
      assert.is(rows.length, 3 + odd.length - blank)
      assert.is(rows[0]?.status, 'miss')
      assert.ok(rows.slice(1).every(({ status }) => status === 'invalid'))
      const words = ['-x', '--', '\u202e', '0'.repeat(100_000), 'a\nb', '１', '\x1b[2J', '']
      const given = await run(['resolve', '--json', '--no-wait', '--', ...words.slice(1)], { env })
      assert.is(jsonLines(given.stdout).length, words.length - 1, given.stderr)
    }),
  ))

test.run()
