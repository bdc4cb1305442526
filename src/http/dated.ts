/** A row as the API gives it: its instants as ISO texts in UTC. */
export type Dated<Row> = { [Name in keyof Row]: DatedValue<Row[Name]> }

type DatedValue<Value> = Value extends Date ? string : Value

/** What no year of four digits can say, infinity among it, counts as the end of time. */
const endOfTime = '9999-12-31T23:59:59.999Z'

export function dated<Row extends object>(row: Row): Dated<Row> {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    value instanceof Date ? isoOf(value) : value,
  ])
  return Object.fromEntries(entries) as Dated<Row>
}

function isoOf(date: Date): string {
  const year = date.getUTCFullYear()
  return year >= 0 && year <= 9999 ? date.toISOString() : endOfTime
}
