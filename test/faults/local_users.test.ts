import { chmod, lstat, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fileTarget } from '../../src/cli/export_target.ts'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { partFile } from '../../src/part_file.ts'
import { makeHome, removeHome, throwawaySettings } from '../support/cluster.ts'
import { failureOf } from '../support/mappings.ts'

const test = suite('other users of the machine')

const modeOf = async (path: string) => (await stat(path)).mode & 0o777

test('have no way into the home or the server of the embedded database, whatever the umask', async () => {
  const home = await mkdtemp(join(tmpdir(), 'pgfigi-open-home-'))
  const umask = process.umask(0)
  try {
    await makeHome(home)
    await using embedded = await acquireEmbedded({ home, settings: throwawaySettings })
    process.umask(umask)
    for (const name of ['', 'lock', 'port', 'users']) {
      assert.is((await modeOf(join(home, name))) & 0o022, 0, `${name} can be written by others`)
    }
    for (const name of ['password', 'postgres.log', 'data']) {
      assert.is((await modeOf(join(home, name))) & 0o077, 0, `${name} is nobody else’s`)
    }
    await using sql = Object.assign(postgres(embedded.url, { max: 1 }), {
      [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }),
    })
    const [server] = await sql`
      select current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets,
        current_setting('password_encryption') as passwords`
    assert.equal({ ...server }, { addresses: '127.0.0.1', sockets: '', passwords: 'scram-sha-256' })
    const rules = await sql`select type, address, auth_method from pg_hba_file_rules`
    assert.equal(
      rules.map((rule) => ({ ...rule })),
      [{ type: 'host', address: '127.0.0.1', auth_method: 'scram-sha-256' }],
    )
    const guess = postgres(Object.assign(new URL(embedded.url), { password: 'guess' }).href, { max: 1 })
    assert.is((await failureOf(guess`select 1`))?.code, '28P01')
    await guess.end({ timeout: 1 })
  } finally {
    process.umask(umask)
    await removeHome(home)
  }
})

test('gain nothing by a link or a file where an export is written meanwhile', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pgfigi-links-'))
  try {
    const victim = join(folder, 'victim')
    await writeFile(victim, 'precious', { mode: 0o600 })
    const target = join(folder, 'book.csv')
    const { path: part } = await partFile(target)
    await symlink(victim, part)
    const context = { signal: new AbortController().signal } as Parameters<typeof fileTarget>[1]
    const write = async () => {
      await using file = await fileTarget(target, context)
      await file.write(bytesOf('rows'))
    }
    await write()
    assert.is(await readFile(victim, 'utf8'), 'precious')
    assert.is((await lstat(target)).isFile(), true)
    assert.is(await readFile(target, 'utf8'), 'rows')

    await chmod(target, 0o600)
    await write()
    assert.is(await modeOf(target), 0o600, 'as closed as what it replaces')
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function* bytesOf(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
}

test.run()
