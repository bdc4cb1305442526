import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from './cluster.ts'
import type { TestDatabase } from './database.ts'
import { withAdmin } from './template.ts'

/** docs/grants.sql as operators run it. */
export const grantScript = await readFile(join(packageRoot, 'docs', 'grants.sql'), 'utf8')

export type GroupRole = 'pgfigi_analyst' | 'pgfigi_monitor' | 'pgfigi_worker'

let logins = 0

/** A user of its own that may log in, member of `group` (null: a stranger who may only connect), as a URL; dropped afterwards. */
export async function withLogin<T>(
  { sql, url }: TestDatabase,
  group: GroupRole | null,
  work: (url: string, name: string) => Promise<T>,
): Promise<T> {
  const name = `pgfigi_test_login_${process.pid}_${++logins}`
  const quoted = sql(name)
  await sql`create role ${quoted} login`
  try {
    await sql.unsafe(`alter role ${name} password 'secret'`)
    if (group) await sql`grant ${sql(group)} to ${quoted}`
    const own = new URL(url)
    own.username = name
    own.password = 'secret'
    return await work(own.href, name)
  } finally {
    await sql`drop owned by ${quoted}`.catch(() => {})
    await withAdmin((admin) => admin`drop role if exists ${admin(name)}`)
  }
}
