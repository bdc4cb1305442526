import { execFileSync } from 'node:child_process'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ImportError } from '../../src/errors/import_error.ts'
import { openSources } from '../../src/import/open_sources.ts'
import { beginningOf } from '../../src/import/text.ts'
import { zipEntries } from '../../src/import/zip.ts'
import { zipOf } from '../support/zip_maker.ts'
import { readPaths, withFolder } from './reading.ts'

const cache = '{"037833100": "AAPL"}'

test('plain, gzip and zip are told from the content; of a folder the files are read in the order of their names', () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, 'c'), cache)
    await writeFile(join(folder, 'b.txt'), gzipSync(cache))
    await writeFile(
      join(folder, 'a.gz'),
      zipOf({
        'in/one.json': cache,
        '__MACOSX/in/._one.json': '\0',
        'two.csv': 'cusip,ticker\n037833100,AAPL\n',
      }),
    )
    await writeFile(join(folder, '.hidden'), '\0')
    await mkdir(join(folder, 'deeper'))
    await writeFile(join(folder, 'deeper', 'd'), '\0')
    await symlink(join(folder, 'c'), join(folder, 'd'))
    const { items } = await readPaths([folder])
    await using opened = await openSources([folder])
    const names = opened.sources.map(({ name }) => name.slice(folder.length + 1))
    assert.equal(names, ['a.gz/in/one.json', 'a.gz/two.csv', 'b.txt', 'c', 'd'])
    assert.is(items.length, 5)
    assert.ok(items.every((item) => item.kind === 'sighting' && item.ticker === 'AAPL'))
  }))

test('the bytes told add up to the size on the disk', () =>
  withFolder(async (folder) => {
    const text = 'x'.repeat(1_000_000)
    await writeFile(join(folder, 'plain'), text)
    await writeFile(join(folder, 'gzip'), gzipSync(text))
    await writeFile(join(folder, 'zip'), zipOf({ text }))
    await using opened = await openSources([folder])
    for (const source of opened.sources) {
      let told = 0
      let length = 0
      for await (const chunk of source.bytes((count) => (told += count))) length += chunk.length
      assert.is(length, text.length)
      assert.ok(Math.abs(told - source.size) < 1, `${source.name}: ${told} of ${source.size}`)
    }
  }))

test('stdin and pipes are read as often as need be, and their temporary file goes away', () =>
  withFolder(async (folder) => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const written = writeFile(pipe, cache)
    const opened = await openSources(['-', pipe], Readable.from([cache.slice(0, 5), cache.slice(5)]))
    await written
    const names = opened.sources.map(({ name }) => name)
    assert.equal(names, ['stdin', pipe])
    for (const source of opened.sources) {
      assert.is(await beginningOf(source), cache)
      assert.is(await beginningOf(source), cache)
    }
    await opened[Symbol.asyncDispose]()
    const [source] = opened.sources
    await rejectsWith(() => beginningOf(source as NonNullable<typeof source>), /there is no such file/)
  }))

test('what cannot be read is told in a sentence with its name', () =>
  withFolder(async (folder) => {
    const packed = gzipSync('x'.repeat(100_000))
    await writeFile(join(folder, 'cut'), packed.subarray(0, packed.length / 2))
    await writeFile(join(folder, 'broken'), Buffer.concat([packed.subarray(0, 12), Buffer.alloc(50, 0xff)]))
    await writeFile(join(folder, 'zip'), zipOf({ a: 'x' }).subarray(0, 40))
    await mkdir(join(folder, 'empty'))
    const read = (name: string) => async () => {
      await using opened = await openSources([join(folder, name)])
      for (const source of opened.sources) for await (const _ of source.bytes());
    }
    await rejectsWith(read('none'), /none cannot be read: there is no such file/)
    await rejectsWith(read('cut'), /cut is cut off/)
    await rejectsWith(read('broken'), /broken cannot be unpacked/)
    await rejectsWith(read('zip'), /zip is no whole zip file: it is cut off or damaged \(.+\)\.$/)
    await rejectsWith(read('empty'), /empty is a folder without files/)
    const gone = join(folder, 'gone.zip')
    await writeFile(gone, zipOf({ a: 'x' }))
    const [entry] = await zipEntries(gone, 'gone.zip')
    await rm(gone)
    await rejectsWith(
      () => beginningOf(entry as NonNullable<typeof entry>),
      /a cannot be read: there is no such/,
    )
  }))

test('what is packed twice is said to be', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'a.zip')
    await writeFile(path, zipOf({ 'b.gz': gzipSync(cache) }))
    await rejectsWith(() => readPaths([path]), /a\.zip\/b\.gz is packed twice: unpack it once/)
    await writeFile(path, gzipSync(zipOf({ b: cache })))
    await rejectsWith(() => readPaths([path]), /a\.zip is packed twice/)
  }))

test('what cannot be opened is told when it is read, and costs no other; links to folders are passed over', () =>
  withFolder(async (folder) => {
    const inputs = join(folder, 'inputs')
    await mkdir(join(folder, 'empty'))
    await mkdir(inputs)
    await writeFile(join(inputs, 'cut.zip'), zipOf({ a: cache }).subarray(0, 40))
    await writeFile(join(inputs, 'good'), cache)
    await symlink(join(folder, 'nowhere'), join(inputs, 'link'))
    await symlink(join(folder, 'empty'), join(inputs, 'linked folder'))
    await using opened = await openSources([join(folder, 'none'), inputs, join(folder, 'empty')])
    const results: string[] = []
    for (const source of opened.sources) {
      const text = beginningOf(source).then((beginning) => `${basename(source.name)}: ${beginning}`)
      results.push(await text.catch((error: Error) => error.message.replace(`${folder}/`, '')))
    }
    assert.is(results.length, 5)
    assert.is(results[0], 'none cannot be read: there is no such file.')
    assert.match(
      results[1] ?? '',
      /^inputs\/cut\.zip is no whole zip file: it is cut off or damaged \(.+\)\.$/,
    )
    assert.is(results[2], `good: ${cache}`)
    assert.is(results[3], 'inputs/link cannot be read: there is no such file.')
    assert.is(results[4], 'empty is a folder without files.')
  }))

async function rejectsWith(work: () => Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await work()
  } catch (error) {
    assert.instance(error, ImportError)
    assert.match((error as Error).message, message)
    return
  }
  assert.unreachable()
}

test.run()
