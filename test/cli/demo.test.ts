import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cleanEnvironment } from '../support/clean_environment.ts'
import { packageRoot } from '../support/cluster.ts'

test('the demo says that its data are simulated, resolves a portfolio, shows the same in SQL, and leaves nothing', async () => {
  const env = cleanEnvironment({
    NODE_COMPILE_CACHE: join(tmpdir(), 'pgfigi-compile-cache'),
    DATABASE_URL: 'postgres://never@127.0.0.1:1/used', // a user's own settings stay out of it
    OPENFIGI_API_KEY: 'never-used',
  })
  const demo = spawn(process.execPath, [join(packageRoot, 'scripts', 'demo.ts')], { cwd: packageRoot, env })
  const exit = once(demo, 'exit')
  const [stdout, stderr] = await Promise.all([text(demo.stdout), text(demo.stderr)])
  assert.is((await exit)[0], 0, stderr)
  assert.match(stdout, 'simulated')
  for (const line of ['037833100\tAAPL\thit', '999999105\t\tnegative', '037833109\t\tinvalid', 'IBM | hit']) {
    assert.match(stdout, line)
  }
  assert.match(stdout, '| miss |')
  assert.equal(
    (await readdir(tmpdir())).filter((name) => name.startsWith('pgfigi-demo-')),
    [],
  )
})

test.run()
