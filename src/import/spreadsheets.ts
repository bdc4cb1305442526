/** What divides the cells of a table, the likeliest first. */
export const delimiters = [',', ';', '\t', '|']

/** What a spreadsheet would run, our own export puts an apostrophe before. */
const guarded = /^'(?=[=+\-@\t\r])/
/** Keeps a spreadsheet from taking a CUSIP for a number. */
const asText = /^="(.*)"$/

/** What a cell says, without what was only put there for spreadsheets. */
export function plainCell(cell: string): string {
  const first = cell.charCodeAt(0)
  if (first === 39) return cell.replace(guarded, '')
  if (first === 61) return cell.replace(asText, '$1')
  return cell
}

const separator = /^"?sep=([^"])"?$/i

/** What divides the cells, by Excel's own first line (`sep=;`); null for any other line. */
export function delimiterNamed(line: string): string | null {
  return separator.exec(line)?.[1] ?? null
}
