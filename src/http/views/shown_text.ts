import { html } from 'ghtml'

/** Letters of a name or ticker that are shown; of an error, of which the beginning tells most. */
const mostOfName = 120
const mostOfSentence = 600

/** Control characters, those that turn the direction of writing, and what takes no room: nothing that a name is made of. */
const unseen = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu

/** A text from elsewhere as plain text: cut where it is long, with what cannot be seen written out (U+202E). */
export function plain(text: string, most = mostOfName): string {
  const letters = [...text.slice(0, 2 * most)]
  const begins = letters.length > most || text.length > 2 * most ? letters.slice(0, most).join('') : text
  const seen = begins.replace(unseen, written)
  return begins === text ? seen : `${seen}… (${text.length.toLocaleString('en-US')} characters)`
}

function written(character: string): string {
  if (character === '\n' || character === '\t') return ' '
  return `[U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`
}

/** The same as HTML, kept from turning the direction of what is around it. An en dash stands for nothing. */
export function shown(text: string | null): string {
  return text === null || text === '' ? absent : html`<bdi>${plain(text)}</bdi>`
}

/** An error or an outcome: more of it. */
export function shownSentence(text: string | null): string {
  return text === null || text === '' ? absent : html`<bdi>${plain(text, mostOfSentence)}</bdi>`
}

/** Where there is nothing to say. */
export const absent =
  '<span class="absent"><span aria-hidden="true">–</span><span class="unseen">none</span></span>'

/** The longest text that is worth searching for. */
const longestQuery = 200

/** A link that searches for that identifier or ticker. */
export function searchLink(text: string | null): string {
  if (text === null || text === '') return absent
  if (text.length > longestQuery || !text.isWellFormed()) return shown(text)
  return html`<a class="code" href="${searchPath(text)}"><bdi>${plain(text)}</bdi></a>`
}

/** Where that identifier or ticker is looked up. */
export function searchPath(text: string): string {
  return `/search?q=${encodeURIComponent(text)}`
}

/** `first_seen` as it is read: `First seen`. */
export function inWords(name: string): string {
  const words = name.replaceAll('_', ' ')
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}
