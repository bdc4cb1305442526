import { html } from 'ghtml'
import { csrfField } from './action_form.ts'
import type { Frame } from './frame.ts'
import { layout } from './layout.ts'
import { shownSentence } from './shown_text.ts'

export interface LoginModel {
  /** Why the last attempt failed. */
  readonly message: string | null
  /** The path to go on to. */
  readonly next: string
}

/** Asks for the password. */
export function loginPage({ message, next }: LoginModel, frame: Frame): string {
  return layout(
    {
      title: 'Log in',
      isClosed: true,
      body: html`<form class="card login" method="post" action="/login">!${csrfField(frame)}<input type="hidden" name="next" value="${next}">
!${message === null ? '' : html`<p class="message" id="login-message" role="alert">!${shownSentence(message)}</p>`}
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required!${message === null ? ' autofocus' : ' autofocus aria-invalid="true" aria-describedby="login-message"'}>
<button type="submit" class="strong">Log in</button>
<p class="quiet">It is what the setting PGFIGI_PAGE_PASSWORD or PGFIGI_PAGE_TOKEN of the server says.</p>
</form>`,
    },
    frame,
  )
}
