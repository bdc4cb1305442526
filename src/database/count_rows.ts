const newline = 10
const quote = 34

/** Tells `onRows` of each piece of a text how many rows end in it. In CSV a newline within quotes ends no row. */
export function createRowCounter(
  { headLines, isCsv }: { headLines: number; isCsv: boolean },
  onRows: (count: number) => void = () => {},
): (bytes: Buffer) => void {
  let ahead = headLines
  let isQuoted = false
  return (bytes) => {
    let rows = 0
    // By the place: an iterator over the bytes takes as long as the rest of the export.
    for (let place = 0; place < bytes.length; place++) {
      const byte = bytes[place]
      if (byte === newline && !isQuoted) rows += 1
      else if (byte === quote && isCsv) isQuoted = !isQuoted
    }
    const head = Math.min(ahead, rows)
    ahead -= head
    if (rows > head) onRows(rows - head)
  }
}
