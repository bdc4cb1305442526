/** What every page knows besides its own model. */
export interface Frame {
  /** Of the request, with its query: where buttons lead back to. */
  readonly path: string
  /** For the field `csrf` of each form; null where there is no session. */
  readonly csrfToken: string | null
  /** Whether there are buttons that do something. */
  readonly allowActions: boolean
  /** Who has logged in; null where no login is asked for, or nobody has. */
  readonly user: string | null
  /** What came of the button that led here. */
  readonly notice: string | null
  /** Of pgfigi; null for strangers, who are told nothing. */
  readonly version: string | null
  /** What 'ago' is reckoned from; the clock's time where nothing is said. */
  readonly now?: Date
}

/** The instant that this page is of. */
export function nowOf(frame: Frame): Date {
  return frame.now ?? new Date()
}
