/**
 * text[], the one kind of array that queries take; they give none. The driver would ask each new connection for the kinds there
 * are, by a query of its own whose failure (of a connection lost meanwhile, or of statement_timeout) ends the process.
 */
export const textArrays = {
  to: 1009,
  from: [1009],
  serialize: (elements: readonly (string | null)[]) => `{${elements.map(elementOf).join(',')}}`,
  parse: (literal: string) => literal,
}

function elementOf(element: string | null): string {
  return element === null ? 'null' : `"${element.replace(/["\\]/g, '\\$&')}"`
}
