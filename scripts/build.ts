/** Makes dist/: JavaScript of src/, tasks/ and graphile.config.ts, with the types of src/ and what the page loads. Node strips types in a checkout, but never below node_modules. */
import { spawnSync } from 'node:child_process'
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

await rm(dist, { recursive: true, force: true })
const { status, error } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
  shell: process.platform === 'win32', // there it is tsc.cmd
})
if (error) throw error
if (status === 0) {
  await dropTypesOfTasks()
  await copyAssets()
} else {
  await rm(dist, { recursive: true, force: true }) // half a build looks like a whole one to bin/pgfigi.js
  process.exitCode = 1
}

/** graphile-worker takes every file in dist/tasks for a task. */
async function dropTypesOfTasks(): Promise<void> {
  const folder = join(dist, 'tasks')
  for (const name of await readdir(folder)) {
    if (name.endsWith('.d.ts')) await rm(join(folder, name))
  }
  await rm(join(dist, 'graphile.config.d.ts'))
}

/** The style sheet and the scripts of the page are served as they are. */
async function copyAssets(): Promise<void> {
  await cp(join(root, 'src/http/assets'), join(dist, 'src/http/assets'), { recursive: true })
}
