import { html } from 'ghtml'

export type Tone = 'ok' | 'warn' | 'fail' | 'plain'

/** Forms that can be told apart without their colours. */
const shapes: Readonly<Record<Tone, string>> = {
  ok: '<path d="M3.5 8.5l3 3 6-7" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>',
  warn: '<path d="M8 1.8L15 14H1z" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linejoin="round"/><path d="M8 6.2v3.6M8 11.6v.6" stroke="currentColor" stroke-width="1.7" stroke-linecap="round"/>',
  fail: '<circle cx="8" cy="8" r="7.2" fill="currentColor"/><path d="M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4" class="on-tone" stroke-width="1.8" stroke-linecap="round"/>',
  plain: '<circle cx="8" cy="8" r="3" fill="currentColor"/>',
}

/** A sign for who sees; the words beside it say the same. */
export function sign(tone: Tone): string {
  return html`<svg class="sign" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">!${shapes[tone]}</svg>`
}

/** A word with its sign. */
export function badge(tone: Tone, word: string): string {
  return html`<span class="badge ${tone}">!${sign(tone)}${word}</span>`
}
