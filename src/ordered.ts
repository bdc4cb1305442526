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
  readonly #mayPause: boolean
  /** The read that is under way. */
  #reading: Promise<IteratorResult<Item>> | null = null
  #isDone = false
  #isEnded = false
  #failure: { readonly error: unknown } | null = null

  constructor(items: Iterable<Item> | AsyncIterable<Item>) {
    this.#mayPause = Symbol.asyncIterator in items
    this.#iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  }

  /** Undefined at the end. Where the source fails, what it gave before comes first. */
  async next(): Promise<Item[] | undefined> {
    const chunk: Item[] = []
    while (!this.#isDone && chunk.length < chunkSize) {
      const isWaitedFor = await this.#read(chunk)
      if (!isWaitedFor) break
    }
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
    if (!this.#reading) await ended
  }

  /** Adds the next item; false where the source pauses and the chunk should go as it is. */
  async #read(chunk: Item[]): Promise<boolean> {
    try {
      this.#reading ??= handled(Promise.resolve(this.#iterator.next()))
      const read = this.#mayPause && chunk.length > 0 ? await soon(this.#reading) : await this.#reading
      if (!read) return false
      this.#reading = null
      if (this.#isDone || read.done) this.#isDone = true
      else chunk.push(read.value)
    } catch (error) {
      this.#isDone = true
      this.#failure = { error }
    }
    return true
  }
}

/** The promise's value, or null where it takes longer than a pause. */
async function soon<T>(promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, pauseMs, null)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
