/** Items that are worked on together. */
const chunkSize = 5_000

/** A source that pauses for longer gives what it has so far, so that nobody in front of a terminal waits for a full chunk. */
const pauseMs = 20

/**
 * The results for any number of items, in their order. Two chunks at most are under way: the next is read and started
 * while the results of the first are taken.
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const chunks = new Chunks(items)
  const start = async () => (await chunks.next())?.map((item) => handled(work(item)))
  try {
    let next = start()
    for (;;) {
      const results = await next
      if (!results) return
      next = handled(start())
      for (const result of results) yield await result
    }
  } finally {
    await chunks.end()
  }
}

/** A rejection is met when the promise is awaited, in its turn. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

class Chunks<Item> {
  readonly #iterator: Iterator<Item> | AsyncIterator<Item>
  readonly #isAsync: boolean
  #items: Item[] = []
  #filling: Promise<void> | null = null
  #isWanted = false
  /** A read is under way. */
  #isReading = false
  #isDone = false
  #isEnded = false
  #failure: { readonly error: unknown } | null = null

  constructor(items: Iterable<Item> | AsyncIterable<Item>) {
    this.#isAsync = Symbol.asyncIterator in items
    this.#iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  }

  /** Undefined at the end. Where the source fails, what it gave before comes first. */
  async next(): Promise<Item[] | undefined> {
    this.#isWanted = true
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = null
    })
    await (this.#isAsync ? this.#filledOrPaused(this.#filling) : this.#filling)
    this.#isWanted = false
    const chunk = this.#items
    this.#items = []
    if (this.#isEnded) return undefined
    if (chunk.length > 0) return chunk
    if (this.#failure) throw this.#failure.error
    return undefined
  }

  /** Ends the source, without waiting for one that has something else to wait for. */
  async end(): Promise<void> {
    this.#isEnded = true
    if (this.#isDone) return
    this.#isDone = true
    const ended = handled(Promise.resolve(this.#iterator.return?.()))
    if (!this.#isReading) await ended
  }

  /** Reads as long as a chunk is wanted and not full. A source that does not make one wait is not waited for. */
  async #fill(): Promise<void> {
    try {
      while (this.#isWanted && !this.#isDone && this.#items.length < chunkSize) {
        this.#isReading = true
        const reading = this.#iterator.next()
        const read = this.#isAsync ? await reading : (reading as IteratorResult<Item>)
        this.#isReading = false
        if (this.#isDone || read.done) this.#isDone = true
        else this.#items.push(read.value)
      }
    } catch (error) {
      this.#isReading = false
      this.#isDone = true
      this.#failure = { error }
    }
  }

  /** One timer a chunk: it looks whether anything has come since it last looked, and whether anybody still waits. */
  async #filledOrPaused(filling: Promise<void>): Promise<void> {
    let seen = 0
    const { promise: paused, resolve } = Promise.withResolvers<void>()
    const timer = setInterval(() => {
      const isPaused = this.#items.length > 0 && this.#items.length === seen
      if (isPaused || this.#isEnded) resolve()
      seen = this.#items.length
    }, pauseMs)
    try {
      await Promise.race([filling, paused])
    } finally {
      clearInterval(timer)
    }
  }
}
