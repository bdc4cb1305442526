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

/** What a spreadsheet would run as a formula begins with one of these; the full-width forms pass for them in some. */
const runs = /^[=+\-@\t\r＝＋－＠]/

/** A text from outside for a cell: what a spreadsheet would run gets an apostrophe before it. As public.spreadsheet_safe. */
export function safeCell(text: string): string {
  return runs.test(text) ? `'${text}` : text
}

const separator = /^"?sep=([^"])"?$/i

/** What divides the cells, by Excel's own first line (`sep=;`); null for any other line. */
export function delimiterNamed(line: string): string | null {
  return separator.exec(line)?.[1] ?? null
}
