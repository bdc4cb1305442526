/** A slice shorter than this is copied by V8 itself. */
const shortest = 13

/**
 * A text that stands alone. A slice keeps the whole of what it was cut from in memory as long as it is kept itself: a name out
 * of a line of megabytes would keep the line.
 */
export function ownCopy(text: string): string {
  return text.length < shortest ? text : Buffer.from(text, 'utf8').toString('utf8')
}
