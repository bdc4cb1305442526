import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import type { OpenFIGIClient } from '../../src/index.ts'

/** Whether it is answered without a query: the database is changed behind pgfigi's back, which nobody can hear. */
export async function isKept(client: OpenFIGIClient, sql: Sql, value: string): Promise<boolean> {
  await client.resolve(value)
  const secret = randomUUID()
  await sql`update public.security_mappings set name = ${secret} where identifier_value = ${value}`
  return (await client.resolve(value)).name !== secret
}
