import { html } from 'ghtml'
import type { Frame } from './frame.ts'

export type ActionName = 'fetch' | 'retry' | 'retry-all' | 'unlock'

interface Button {
  readonly action: ActionName
  readonly label: string
  /** What the label leaves out, for who cannot see the row that the button stands in. */
  readonly about?: string
  readonly identifier?: { readonly identifier_type: string; readonly identifier_value: string }
}

/** A button that does something; nothing where that is not allowed. */
export function actionForm({ action, label, about, identifier }: Button, frame: Frame): string {
  if (!frame.allowActions) return ''
  return html`<form class="action" method="post" action="/actions/${action}">!${csrfField(frame)}<input type="hidden" name="back" value="${frame.path}">!${
    identifier
      ? html`<input type="hidden" name="identifier_type" value="${identifier.identifier_type}"><input type="hidden" name="identifier_value" value="${identifier.identifier_value}">`
      : ''
  }<button type="submit">${label}!${about ? html`<span class="unseen"> ${about}</span>` : ''}</button></form>`
}

export function csrfField({ csrfToken }: Frame): string {
  return csrfToken === null ? '' : html`<input type="hidden" name="csrf" value="${csrfToken}">`
}
