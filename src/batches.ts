/** Items of the same tick that are worked on together. */
interface Batch<Item, Result> {
  readonly items: Item[]
  readonly results: Promise<readonly Result[]>
}

/**
 * Collects what is asked for in the same tick, at most so many at a time, and hands it on together. Unlike DataLoader it makes
 * one promise a batch and none an item: at 10,000 lookups at once, promises and their closures are what a lookup costs.
 */
export class Batches<Item, Result> {
  readonly #work: (items: readonly Item[]) => Promise<readonly Result[]>
  readonly #most: number
  #open: Batch<Item, Result> | null = null

  /** `work` gives a result for each item, in their order. */
  constructor(work: (items: readonly Item[]) => Promise<readonly Result[]>, most: number) {
    this.#work = work
    this.#most = most
  }

  /** Adds an item: the results of its batch, and its place among them. */
  add(item: Item): { readonly results: Promise<readonly Result[]>; readonly place: number } {
    this.#open ??= this.#begin()
    const { items, results } = this.#open
    const place = items.push(item) - 1
    if (items.length === this.#most) this.#open = null
    return { results, place }
  }

  #begin(): Batch<Item, Result> {
    const items: Item[] = []
    const { promise, resolve } = Promise.withResolvers<readonly Result[]>()
    const batch = { items, results: promise }
    setImmediate(() => {
      if (this.#open === batch) this.#open = null
      resolve(this.#work(items))
    })
    return batch
  }
}
