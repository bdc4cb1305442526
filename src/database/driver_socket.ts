import { Socket } from 'node:net'

/**
 * A socket that tells of its error not before it is closed. The driver never answers a query that it is handed on a
 * connection between the two, as by a caller who asks again at once, and keeps the connection for it.
 */
export class DriverSocket extends Socket {
  readonly #onLost: () => void
  #error: unknown = null

  /** `onLost` is called as soon as it is known that nothing more can be sent. */
  constructor(onLost: () => void) {
    super()
    this.#onLost = onLost
    this.once('end', onLost)
  }

  override destroy(error?: Error): this {
    this.#onLost()
    return super.destroy(error)
  }

  override emit(event: string | symbol, ...given: unknown[]): boolean {
    if (event === 'error') {
      this.#error = given[0]
      return true
    }
    if (event === 'close' && this.#error) super.emit('error', this.#error)
    return super.emit(event as 'close', ...(given as [boolean]))
  }
}
