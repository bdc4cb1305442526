import { ColumnError } from '../errors/column_error.ts'
import type { Wanted } from '../holdings/holdings.ts'
import { type HoldingsFile, openHoldingsFile } from '../holdings/open_holdings_file.ts'
import type { Context } from './context.ts'
import { printable, tell } from './output.ts'
import { UsageError } from './usage_error.ts'

/** A file of holdings that a command was given, or stdin (-). Throws a UsageError where its columns cannot be told. */
export async function holdingsFile(path: string, wanted: Wanted, context: Context): Promise<HoldingsFile> {
  if (path === '-' && context.stdin.isTTY) tell(context, 'Reading from the terminal, until Ctrl-D.')
  try {
    return await openHoldingsFile(path, wanted, context.stdin, context.signal)
  } catch (error) {
    throw error instanceof ColumnError ? new UsageError(printable(error.message)) : error
  }
}
