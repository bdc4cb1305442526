/** Deeper than any answer of OpenFIGI's by far. */
export const deepest = 64

/** The value that a line holds, or in a sentence without its full stop why it holds none that can be read. */
export function jsonOfLine(text: string): { readonly value: unknown } | { readonly problem: string } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { problem: `it is no JSON: ${(error as Error).message}` }
  }
  return isDeeper(value, deepest) ? { problem: `it is nested more than ${deepest} deep` } : { value }
}

/** Whether there are more objects and lists in each other than so many: whoever follows them all would run out of stack. */
function isDeeper(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (most === 0) return true
  for (const key in value) if (isDeeper((value as Record<string, unknown>)[key], most - 1)) return true
  return false
}
