import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RejectsFile } from '../../src/import/rejects.ts'
import { partFile } from '../../src/part_file.ts'

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'parts-'))
  try {
    await run(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('what the dead left behind is removed, and nothing else that is called alike', () =>
  withFolder(async (folder) => {
    const { path: ours } = await partFile(join(folder, 'a.csv'))
    const mark = /-([0-9a-f]{8})\.part$/.exec(ours)?.[1]
    const dead = ['a.csv.pgfigi-4194305-01234567.part', `a.csv.pgfigi-${process.pid}-ffffffff.part`]
    const others = ['a.csv.1.part', 'a.csv.4194305.part', 'b.csv.pgfigi-4194305-01234567.part']
    for (const name of [...dead, ...others, basename(ours)]) await writeFile(join(folder, name), '')
    await mkdir(join(folder, 'a.csv.pgfigi-4194306-01234567.part')) // cannot be removed as a file
    await partFile(join(folder, 'a.csv'))
    assert.is(basename(ours), `a.csv.pgfigi-${process.pid}-${mark}.part`)
    assert.equal(await readdir(folder), [...others, 'a.csv.pgfigi-4194306-01234567.part'].toSorted())
  }))

test('rejects whose file cannot be made are told of, and fail nothing', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'rejects.csv')
    await mkdir((await partFile(path)).path)
    const rejects = new RejectsFile(path)
    await rejects.add([{ kind: 'reject', place: { file: 'x', line: 1 }, reason: 'odd', text: 'y' }])
    await rejects.close()
    assert.type(rejects.problem, 'string')
  }))

test.run()
