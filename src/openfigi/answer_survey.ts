/** Deeper than this lies nothing that OpenFIGI sends: a listing's text is four levels down. */
const deepest = 64

/**
 * What is wrong with the elements of an answer that JSON.parse keeps silent about, by their places: a key twice in one
 * object, of which it takes the last (an error could turn into a negative), and absurd depth. The text must be JSON.
 */
export function faultyElements(text: string): ReadonlyMap<number, string> {
  const faults = new Map<number, string>()
  /** The keys so far of each object around the current place; null where there is none yet, and for an array. */
  const around: (Set<string> | null)[] = []
  let depth = 0
  let element = 0
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case openBrace:
      case openBracket:
        depth += 1
        if (depth <= deepest) around.push(null)
        else faults.set(element, 'nested too deep')
        break
      case closeBrace:
      case closeBracket:
        if (depth <= deepest) around.pop()
        depth -= 1
        break
      case comma:
        if (depth === 1) element += 1
        break
      case doubleQuote: {
        const end = endOfString(text, at)
        if (depth <= deepest && isKey(text, end)) {
          const written = text.slice(at, end)
          const keys = around[depth - 1] ?? new Set()
          around[depth - 1] = keys
          const key: string = written.includes('\\') ? JSON.parse(written) : written.slice(1, -1)
          if (keys.has(key)) faults.set(element, 'a key stands twice in one object')
          keys.add(key)
        }
        at = end - 1
      }
    }
  }
  return faults
}

const doubleQuote = 0x22
const comma = 0x2c
const colon = 0x3a
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Just after the closing quote of the string that begins there. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text.charCodeAt(at) !== doubleQuote) at += text.charCodeAt(at) === backslash ? 2 : 1
  return at + 1
}

/** Whether a colon follows the string that ends there: only then is it a key. */
function isKey(text: string, end: number): boolean {
  let at = end
  while (text.charCodeAt(at) <= 0x20) at += 1
  return text.charCodeAt(at) === colon
}
