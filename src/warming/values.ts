import type { QueryRows } from '../database/user_query.ts'
import { identifierColumns } from '../holdings/columns.ts'
import { type Holdings, identifierIn, type Reading } from '../holdings/holdings.ts'

/** Which of a row's texts is asked for: the first CUSIP, else the first identifier; '' where there is none. */
function valueIn(texts: readonly string[]): string {
  let first = ''
  for (const text of texts) {
    const identifier = identifierIn(text)
    if (identifier?.type === 'CUSIP') return identifier.value
    first ||= identifier?.value ?? ''
  }
  return first
}

/** One value for each row of a file; '' where it has no identifier. */
export async function* valuesOfHoldings(holdings: Holdings, reading: Reading): AsyncGenerator<string> {
  for await (const rows of holdings.rows(reading)) {
    for (const { kind, identifiers } of rows) {
      if (kind === 'row' || kind === 'broken') yield valueIn(identifiers)
    }
  }
}

/**
 * One value for each row of a query's result, from the columns that are wanted, else from those that their names or the
 * first rows tell. Throws a ColumnError where there is none.
 */
export async function* valuesOfQuery(
  batches: AsyncIterable<QueryRows>,
  columns: readonly string[],
): AsyncGenerator<string> {
  let places: number[] | undefined
  for await (const { names, rows } of batches) {
    places ??= identifierColumns({ file: 'The result of the query', names, rows }, { columns }).map(
      ({ place }) => place,
    )
    for (const row of rows) yield valueIn(places.map((place) => row[place] ?? ''))
  }
}
