import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { serverAccount } from '../../src/database/embedded_account.ts'

/** A disk of its own size, in memory, which only processes of its own see mounted. */
export interface SmallDisk {
  /** Where it is for those who run `inside`. */
  readonly folder: string
  /** The same folder for everybody else, the server's user included. */
  readonly outside: string
  /** What to put before a command that is to see it. */
  readonly inside: readonly string[]
  /** Makes it larger or smaller. */
  resize(megabytes: number): void
}

/** Runs `work` with such a disk; false where none can be mounted (not root, or no Linux). */
export async function withSmallDisk(
  megabytes: number,
  work: (disk: SmallDisk) => Promise<void>,
): Promise<boolean> {
  const isPossible = process.platform === 'linux' && spawnSync('unshare', ['-m', 'true']).status === 0
  if (!isPossible) return false
  const folder = await mkdtemp(join(tmpdir(), 'small-disk-'))
  await chmod(folder, 0o711)
  const account = await serverAccount(folder, folder)
  // Whoever may look into a process of the server's user may go where that process is.
  const stay = account
    ? `exec setpriv --reuid ${account.uid} --regid ${account.gid} --clear-groups cat`
    : 'exec cat'
  const mount = `mount -t tmpfs -o mode=1777,size=${megabytes}m tmpfs ${folder}`
  const holder = spawn('unshare', ['-m', 'sh', '-c', `${mount} && echo mounted && ${stay}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const gone = once(holder, 'exit')
  try {
    await Promise.race([once(createInterface(holder.stdout), 'line'), gone])
    if (holder.exitCode !== null) return false
    const inside = ['nsenter', '-t', String(holder.pid), '-m', '--']
    await work({
      folder,
      outside: `/proc/${holder.pid}/root${folder}`,
      inside,
      resize(size) {
        const [program = '', ...args] = [...inside, 'mount', '-o', `remount,size=${size}m`, folder]
        if (spawnSync(program, args).status !== 0) throw new Error(`${folder} could not be resized`)
      },
    })
  } finally {
    holder.stdin.end()
    await gone
    await rm(folder, { recursive: true, force: true })
  }
  return true
}
