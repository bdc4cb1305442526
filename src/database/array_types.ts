/** Of the array types that the driver is to know, and its name for them: text[], varchar[] and char[], all of which hold texts. */
const textArrays = { text: 1009, varchar: 1015, char: 1014 }

type Texts = (string | null | Texts)[]

/**
 * What is sent and received as an array. Left to itself, the driver asks each new connection for all array types of the server,
 * by a query of its own that nobody can catch: a connection lost in that moment would end the process.
 */
export const arrayTypes = {
  texts: {
    to: textArrays.text,
    from: Object.values(textArrays),
    serialize: textsAsLiteral,
    parse: textsOfLiteral,
  },
}

/** An array literal; one that is a literal already stays as it is. */
function textsAsLiteral(texts: unknown): string {
  if (!Array.isArray(texts)) return String(texts)
  return `{${texts.map((text) => (text === null ? 'null' : quoted(String(text)))).join(',')}}`
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** What the server writes for an array: of one dimension or several, with or without bounds before it. */
function textsOfLiteral(literal: string): Texts {
  const open: Texts[] = [[]]
  for (const [token, quoted] of literal
    .slice(literal.indexOf('{'))
    .matchAll(/"((?:[^"\\]|\\.)*)"|[{}]|[^",{}]+/gs)) {
    if (token === '{') open.push([])
    else if (token === '}') {
      const closed = open.pop() as Texts
      open.at(-1)?.push(closed)
    } else if (quoted !== undefined) open.at(-1)?.push(quoted.replace(/\\(.)/gs, '$1'))
    else open.at(-1)?.push(token === 'NULL' ? null : token)
  }
  return (open[0]?.[0] ?? []) as Texts
}
