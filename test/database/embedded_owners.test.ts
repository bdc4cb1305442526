import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, lstat, mkdir, readFile, realpath, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { packagedBinaries } from '../../src/database/embedded_binaries.ts'
import { packageRoot, removeHome, throwawaySettings as settings } from '../support/cluster.ts'
import { isRoot, ownerOf, query, serverPid, withHome, withMadeHome } from '../support/embedded_home.ts'
import { startEmbeddedProcess } from '../support/embedded_process.ts'

const test = suite('the embedded database of root and of others')

test('root with a home that the server cannot reach keeps the data elsewhere, and programs too', () =>
  withHome(async (home) => {
    if (!isRoot) return console.log('SKIPPED: closed folders (they matter to root only)')
    const closed = join(home, 'closed')
    await mkdir(closed, { mode: 0o700 })
    const packaged = await packagedBinaries()
    const native = dirname(dirname(packaged.postgres))
    await cp(native, join(closed, 'native'), { recursive: true, verbatimSymlinks: true })
    const moved = (program: string) => program.replace(native, join(closed, 'native'))
    const binaries = {
      ...packaged,
      version: `test-${process.pid}`,
      initdb: moved(packaged.initdb),
      pgCtl: moved(packaged.pgCtl),
      postgres: moved(packaged.postgres),
    }
    try {
      const embedded = await acquireEmbedded({ home: closed, settings, binaries })
      assert.ok((await lstat(join(closed, 'data'))).isSymbolicLink())
      assert.match(await realpath(join(closed, 'data')), /^\/var\/lib\/pgfigi\/clusters\/[0-9a-f]{16}\/data$/)
      assert.match(await readFile(join(closed, 'postgres.log'), 'utf8'), 'ready to accept connections')
      await query(embedded.url, 'create table kept as select 42 as answer')
      await embedded.release()

      await using again = await startEmbeddedProcess(closed)
      assert.equal(await query(again.url, 'select answer from kept'), [{ answer: 42 }])
      await again.end()
      assert.is(await serverPid(closed), null)
    } finally {
      await removeHome(closed)
      await rm(`/var/lib/pgfigi/bin-${binaries.version}`, { recursive: true, force: true })
    }
  }))

test('a home that root closes after the fact moves, with its data', () =>
  withMadeHome(async (home) => {
    if (!isRoot) return console.log('SKIPPED: closed folders (they matter to root only)')
    const before = await acquireEmbedded({ home, settings })
    await query(before.url, 'create table kept as select 42 as answer')
    await before.release()
    await chmod(home, 0o700)
    const after = await acquireEmbedded({ home, settings })
    assert.equal(await query(after.url, 'select answer from kept'), [{ answer: 42 }])
    await after.release()
  }))

test('an ordinary user runs it himself, and root in his home leaves it usable to him', () =>
  withHome(async (home) => {
    if (!isRoot) return console.log('SKIPPED: another user (only root can become one)')
    const nobody = { uid: 65534, gid: 65534 }
    const reachable = await runs(nobody)
    if (!reachable) return console.log('SKIPPED: another user (this checkout is closed to others)')
    await chown(home, nobody.uid, nobody.gid)

    await using root = await startEmbeddedProcess(home)
    assert.equal(await ownerOf(home), nobody)
    await query(root.url, 'create table kept as select 42 as answer')
    await using user = await startEmbeddedProcess(home, nobody)
    assert.is(user.startedHere, false)
    await root.end()
    await user.end()
    assert.is(await serverPid(home), null)

    await using again = await startEmbeddedProcess(home, nobody)
    assert.is(again.startedHere, true)
    assert.equal(await query(again.url, 'select answer from kept'), [{ answer: 42 }])
    await again.end()
    assert.is(await serverPid(home), null)
  }))

async function runs(identity: { uid: number; gid: number }): Promise<boolean> {
  const script = join(packageRoot, 'src', 'identifiers.ts')
  const child = spawn(process.execPath, [script], { cwd: '/', stdio: 'ignore', ...identity })
  return once(child, 'exit').then(
    ([code]) => code === 0,
    () => false,
  )
}

test('a home that belongs to somebody else is refused with the remedy', () =>
  withMadeHome(async (home) => {
    if (!isRoot) return console.log('SKIPPED: another user (only root can become one)')
    const nobody = { uid: 65534, gid: 65534 }
    if (!(await runs(nobody))) return console.log('SKIPPED: another user (this checkout is closed to others)')
    const error = await startEmbeddedProcess(home, nobody).catch((caught) => caught)
    assert.match(error.message, 'set PGFIGI_HOME to a folder of your own')
  }))

test.run()
