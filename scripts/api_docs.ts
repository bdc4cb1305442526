/**
 * Writes docs/api/sql.md and docs/api/typescript.md: what users call, from the comments in the database and in the code.
 *
 *   node scripts/api_docs.ts [--check]     --check: exit 1 if a file is not fresh
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { withDatabase } from '../test/support/database.ts'
import { sqlDocs } from './sql_docs.ts'
import { typescriptDocs } from './typescript_docs.ts'

const folder = join(import.meta.dirname, '..', 'docs', 'api')
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
delete process.env.PGFIGI_TEST_DATABASE_URL // the embedded PostgreSQL: others write some defaults differently

const texts = {
  'sql.md': await withDatabase(async ({ sql }) =>
    sqlDocs(sql, await readFile(join(folder, '..', 'grants.sql'), 'utf8')),
  ),
  'typescript.md': await typescriptDocs(),
}
await mkdir(folder, { recursive: true })
for (const [name, text] of Object.entries(texts)) {
  const file = join(folder, name)
  if (!values.check) await writeFile(file, text)
  else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    console.error(`${file} is not fresh: run \`npm run docs\`.`)
    process.exitCode = 1
  }
}
