import { explained } from '../database/faults.ts'
import { openListening } from '../database/notifications.ts'
import { DatabaseError } from '../errors/database_error.ts'

/** Throws where notifications do not arrive: the worker would hear of no request, and lose its locks between two statements. */
export async function requireDirectConnection(url: string): Promise<void> {
  const { sql, hears } = openListening(url)
  let isDirect: boolean
  try {
    isDirect = await hears()
  } catch (error) {
    throw explained(error)
  } finally {
    await sql.end({ timeout: 1 })
  }
  if (isDirect) return
  throw new DatabaseError(
    'The worker needs a direct connection to PostgreSQL, and DATABASE_URL goes through a transaction pooler such as PgBouncer, where notifications do not arrive: name the server itself, or a pool in session mode.',
    undefined,
  )
}
