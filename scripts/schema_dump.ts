/**
 * Writes migrations/schema.sql: what the migrations, taken together, make of an empty database. It is for reading and for
 * reviews (a diff shows what a migration really changes); nothing runs it.
 *
 *   node scripts/schema_dump.ts [--check]     --check: exit 1 if the file is not fresh
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Sql } from 'postgres'
import { migrationsFolder } from '../src/database/migrations_folder.ts'
import { withDatabase } from '../test/support/database.ts'
import {
  comments,
  functions,
  grants,
  indexes,
  relations,
  schemas,
  triggers,
  types,
  views,
} from './schema_queries.ts'

const HEADER = `-- Made by \`npm run db:dump\` from the migrations; checked by \`npm run check\`. For reading only.
-- Rights are those of others than the owner.
`

/** What pgfigi owns in a database that holds nothing else. Equal schemas give equal texts. */
export async function dumpSchema(sql: Sql): Promise<string> {
  // Names are written out only where they are not in the search path.
  await sql`set search_path = pg_catalog`
  const sections = []
  for (const query of [schemas, types, relations, indexes, triggers, views, functions, comments, grants]) {
    const rows = await query(sql)
    if (rows.length > 0) sections.push(rows.map(({ text }) => text.trimEnd()).join(query.separator ?? '\n\n'))
  }
  return `${HEADER}\n${sections.join('\n\n')}\n`
}

function firstDifference(actual: string, expected: string): string {
  const [is, shouldBe] = [actual.split('\n'), expected.split('\n')]
  const line = shouldBe.findIndex((text, index) => text !== is[index])
  const at = line < 0 ? shouldBe.length : line
  return `line ${at + 1}:\n- ${is[at] ?? '(end of file)'}\n+ ${shouldBe[at] ?? '(end of file)'}`
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
  delete process.env.PGFIGI_TEST_DATABASE_URL // the embedded PostgreSQL: others write some expressions differently
  const file = join(migrationsFolder(), 'schema.sql')
  const expected = await withDatabase(({ sql }) =>
    sql.reserve().then(async (one) => {
      try {
        return await dumpSchema(one)
      } finally {
        one.release()
      }
    }),
  )
  if (!values.check) await writeFile(file, expected)
  else {
    const actual = await readFile(file, 'utf8').catch(() => '')
    if (actual !== expected) {
      console.error(
        `${file} is not fresh: run \`npm run db:dump\`. The first difference is at ${firstDifference(actual, expected)}`,
      )
      process.exitCode = 1
    }
  }
}
