import { Socket } from 'node:net'

/** Where the driver writes nothing, as for TLS without a question before, it gets so long. */
const refusedMs = 1_000

/**
 * A socket that tells of its error not before it is closed. The driver never answers a query that it is handed on a
 * connection between the two, as by a caller who asks again at once, and keeps the connection for it.
 */
export class DriverSocket extends Socket {
  readonly #onLost: () => void
  #error: unknown = null
  #refusal: Error | null = null

  /** `onLost` is called as soon as it is known that nothing more can be sent. */
  constructor(onLost: () => void) {
    super()
    this.#onLost = onLost
    this.once('end', onLost)
  }

  /**
   * It never connects, and closes with that error once it has been written to: what the driver has gathered to write on a
   * connection that closes first would keep the next one from coming about.
   */
  refuse(error: Error): void {
    this.#refusal = error
    setTimeout(() => this.destroy(error), refusedMs).unref()
  }

  override _write(...given: Parameters<Socket['_write']>): void {
    const error = this.#refusal
    if (error) setImmediate(() => this.destroy(error))
    else super._write(...given)
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
