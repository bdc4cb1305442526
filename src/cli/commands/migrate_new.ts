import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PgfigiError } from '../../errors/pgfigi_error.ts'
import { packageRoot } from '../../package_root.ts'
import type { Context } from '../context.ts'
import { isCheckout } from '../invocation.ts'
import { print } from '../output.ts'
import { UsageError } from '../usage_error.ts'

/** graphile-migrate's own bound. */
const longestMessage = 512

export async function migrateNew(name: string, context: Context): Promise<number> {
  const message = name.trim()
  if (message === '' || message.length > longestMessage || /\p{Cc}/u.test(message)) {
    throw new UsageError(`A migration's name is one line of 1 to ${longestMessage} characters.`)
  }
  if (!isCheckout()) {
    throw new PgfigiError('Migrations are written in a checkout of pgfigi; this is the installed package.')
  }
  const file = join(packageRoot, 'migrations', 'current.sql')
  const current = await readFile(file, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  if (!isBlank(current)) {
    throw new PgfigiError(
      `${file} holds a migration already: commit it (npm run db:commit) or empty it first.`,
    )
  }
  await writeFile(file, `--! Message: ${message}\n\n-- Enter migration here\n`)
  await print(context, file)
  return 0
}

/** Nothing but graphile-migrate's headers and comments; an include is content. */
function isBlank(sql: string): boolean {
  return sql.split('\n').every((line) => /^\s*(--(?!!)|--! [A-Z]|$)/.test(line))
}
