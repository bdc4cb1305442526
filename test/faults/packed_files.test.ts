import { randomBytes } from 'node:crypto'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ImportError } from '../../src/errors/import_error.ts'
import { openSources } from '../../src/import/open_sources.ts'
import { readPaths, withFolder } from '../import/reading.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import { figure } from '../support/figure.ts'
import { readout } from '../support/memory_source.ts'
import { makeZip, type ZipEntry, zipOf } from '../support/zip_maker.ts'

const good = { name: 'good.json', text: '{"037833100": "AAPL"}' }

/** Hardly smaller when it is packed. */
const large = { name: 'large', text: randomBytes(10_000).toString('base64') }

/** What each of its files gives: how many records, or why it cannot be read. */
async function contentsOf(zip: Buffer): Promise<(number | string)[]> {
  return withFolder(async (folder) => {
    const path = join(folder, 'a.zip')
    await writeFile(path, zip)
    await using opened = await openSources([path])
    const found: (number | string)[] = []
    for (const source of opened.sources) {
      const { sightings, error } = await readout(source)
      found.push(error === null ? sightings.length : error.message.replaceAll(`${folder}/`, ''))
    }
    return found
  })
}

const damaged: Readonly<Record<string, readonly [ZipEntry[], RegExp, number?]>> = {
  'a wrong checksum': [[{ ...good, crc: 1 }], /^a\.zip\/good\.json is damaged: its checksum is wrong/],
  'a size that is not its own': [
    [{ ...good, size: 7 }],
    /^a\.zip\/good\.json is no whole zip file: .*too many bytes/,
  ],
  'a size of four gigabytes that zip64 was to give': [
    [{ ...good, size: 0xffff_ffff }],
    /is no whole zip file/,
  ],
  'a password': [[{ ...good, flags: 1 }], /^a\.zip\/good\.json cannot be unpacked: it has a password/],
  'a name that leads out of it': [
    [{ ...good, name: '../../etc/passwd' }],
    /^a\.zip is no whole zip file: .*\.\.\/\.\.\/etc\/passwd/,
  ],
  'a name that begins at the root': [
    [{ ...good, name: '/etc/passwd' }],
    /^a\.zip is no whole zip file: .*\/etc\/passwd/,
  ],
  'a name with a drive': [[{ ...good, name: 'C:\\x' }], /^a\.zip is no whole zip file: .*C:\/x/],
  'fewer files than it says': [[good], /is no whole zip file/, 7],
  'a million files by its own words': [[good], /says that it has 65,534 files in it; 10,000 at once/, 65_534],
  'files that lie in each other': [
    [large, ...Array.from({ length: 300 }, (_, n) => ({ ...large, name: `${n}`, isShared: true }))],
    /^a\.zip is no whole zip file: the files in it take more room than it has/,
  ],
}

for (const [what, [entries, expected, count]] of Object.entries(damaged))
  test(`a zip with ${what} is one clear error`, async () => {
    const [found, ...others] = await contentsOf(makeZip(entries, count))
    assert.equal(others, [])
    assert.match(String(found), expected)
  })

test('one damaged file in a zip costs no other', async () => {
  const found = await contentsOf(
    makeZip([
      { ...good, crc: 1 },
      { ...good, name: 'b', flags: 1 },
      { ...good, name: 'c' },
    ]),
  )
  assert.is(found.length, 3)
  assert.is(found[2], 1)
})

test('names of devices, control characters and links are only names', async () => {
  const names = ['CON', 'nul.csv', 'a\nb', '\x1b[2J', '__proto__', ' ', 'x'.repeat(60_000)]
  const zip = makeZip([
    ...names.map((name) => ({ ...good, name })),
    { name: 'link', text: '/etc/passwd', mode: 0o120_777 },
  ])
  const found = await contentsOf(zip)
  assert.equal(
    found.slice(0, -1),
    names.map(() => 1),
  )
  assert.match(String(found.at(-1)), /link has no column/)
})

test('what unpacks to a bomb is refused after 256 MB or 250 times its size, and memory stays small', () =>
  withFolder(async (folder) => {
    const member = gzipSync('x'.repeat(16 * 2 ** 20), { level: 9 })
    await writeFile(join(folder, 'bomb.gz'), Buffer.concat(Array<Buffer>(amount(17, 200)).fill(member)))
    if (isAtLength)
      await writeFile(join(folder, 'bomb.zip'), zipOf({ 'x.csv': Buffer.alloc(1_500 * 2 ** 20, 'x') }))
    const before = process.memoryUsage().rss
    for (const name of isAtLength ? ['bomb.gz', 'bomb.zip'] : ['bomb.gz']) {
      await using opened = await openSources([join(folder, name)])
      let unpacked = 0
      try {
        for await (const chunk of opened.sources[0]?.bytes() ?? []) unpacked += chunk.length
        assert.unreachable(`${name} was read`)
      } catch (error) {
        assert.instance(error, ImportError)
        assert.match((error as Error).message, /unpacks to more than 250 times its size/)
      }
      const { size } = await stat(join(folder, name))
      assert.ok(unpacked <= Math.max(257 * 2 ** 20, 251 * size), `${unpacked} bytes of ${name}`)
    }
    const grown = (process.memoryUsage().rss - before) / 2 ** 20
    // It unpacks to 257 MB and more; when the collector comes is its own affair.
    assert.ok(grown < 200, `${grown} MB more`)
    figure(`bombs of gzip and zip: ${Math.max(0, Math.round(grown))} MB`)
  }))

test('a device is refused, and a file that changes while it is read is told', () =>
  withFolder(async (folder) => {
    for (const device of ['/dev/zero', '/dev/null', '/dev/random'])
      await assertThrows(() => readPaths([device]), /is a device: a file, a folder, a pipe, or - for stdin/)
    const path = join(folder, 'growing.csv')
    const lines = 'cusip,ticker\n037833100,AAPL\n'
    await writeFile(path, lines)
    await using opened = await openSources([path])
    await writeFile(path, `${lines}594918104,MS`)
    await assertThrows(async () => {
      for await (const _ of opened.sources[0]?.bytes() ?? []);
    }, /growing\.csv has changed while it was read/)
  }))

test('a workbook of Excel is refused in sentences', async () => {
  const workbook = zipOf({
    '[Content_Types].xml': '<?xml version="1.0"?><Types/>',
    'xl/workbook.xml': '<workbook/>',
  })
  const [found, ...others] = await contentsOf(workbook)
  assert.match(String(found), /^a\.zip is a workbook of Excel or the like: save its sheet as CSV/)
  assert.equal(others, [])
})

async function assertThrows(work: () => Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await work()
  } catch (error) {
    assert.instance(error, ImportError)
    assert.match((error as Error).message, message)
    return
  }
  assert.unreachable('it was read')
}

test.run()
