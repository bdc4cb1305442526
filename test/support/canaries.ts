/** The secrets of the tests: whatever says one of them, in a log, a page, an error, a table or a list of processes, has told a secret. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Sql } from 'postgres'

/** The API key that helpers of the tests set. */
export const testKey = 'canary-of-tests-key-5e1fb00c'
/** The password of every cluster that the tests make; it goes into URLs and SQL as it is. */
export const testPassword = 'canary-of-tests-password-7a3d19e6'

const names: Readonly<Record<string, string>> = {
  [testKey]: 'the API key',
  [testPassword]: 'the password of the database',
}
const secrets = Object.keys(names)

/** Larger tables are not read: what fills them is made up by SQL, by the hundred thousand. */
const largestTable = '16 MB'

/** Which secret stands in the text, and in which line, the secret left out; null where none does. */
export function traceIn(text: string): string | null {
  if (!secrets.some((secret) => text.includes(secret))) return null
  const lines = text.split('\n')
  const at = lines.findIndex((line) => secrets.some((secret) => line.includes(secret)))
  const line = lines[at] ?? ''
  const named = secrets.filter((secret) => line.includes(secret)).map((secret) => names[secret])
  return `${named.join(' and ')} in line ${at + 1}: ${withoutTraces(line).trim().slice(0, 300)}`
}

/** The text with the names of the secrets in their places. */
export function withoutTraces(text: string): string {
  return secrets.reduce((left, secret) => left.replaceAll(secret, `<${names[secret]}>`), text)
}

/** Fails where the text has one of the secrets; `where` says whose text it is. */
export function requireNoTrace(where: string, text: string): void {
  const trace = traceIn(text)
  if (trace !== null) throw new Error(`A secret is told by ${where}: ${trace}`)
}

/** Fails where a row of any table of the database, or what its sessions ran last, has one of the secrets. */
export async function requireNoTraceInDatabase(sql: Sql): Promise<void> {
  const places = await placesWithTrace(sql, secrets)
  if (places.length > 0) throw new Error(`A secret is told by the database, in ${places.join(', ')}`)
}

/** The tables of a database, and its sessions, that say one of the texts. */
export async function placesWithTrace(sql: Sql, texts: readonly string[]): Promise<string[]> {
  const pattern = texts.join('|')
  const tables = await sql<{ place: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as place
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral query_to_xml(
      format('select 1 from %I.%I t where t::text ~ %L limit 1', n.nspname, c.relname, ${pattern}::text),
      false, false, ''
    ) as found
    where c.relkind = 'r'
      and n.nspname not in ('pg_catalog', 'information_schema')
      and n.nspname !~ '^pg_(toast|temp)'
      and pg_relation_size(c.oid) between 1 and pg_size_bytes(${largestTable})
      and xpath_exists('//row', found)`
  const sessions = await sql<{ place: string }[]>`
    select format('pg_stat_activity (%s)', application_name) as place
    from pg_stat_activity
    where datname = current_database()
      and pid <> pg_backend_pid()
      and concat_ws(' ', query, application_name) ~ ${pattern}`
  return [...tables, ...sessions].map(({ place }) => place)
}

/** A process whose command line says one of the texts. */
export interface TellingProcess {
  readonly pid: number
  readonly commandLine: string
}

/** The running processes that say one of the texts where every user of the machine can read it; on Linux alone. */
export function tellingProcesses(texts: readonly string[] = secrets): TellingProcess[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), commandLine: commandLineOf(name) }))
    .filter(({ commandLine }) => texts.some((text) => commandLine.includes(text)))
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return '' // it has ended
  }
}
