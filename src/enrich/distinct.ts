/** Without check digits, which follow from the rest, identifiers are at most eleven of these. */
const digits = new Int8Array(128).fill(-1)
for (const [n, character] of [...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#'].entries())
  digits[character.charCodeAt(0)] = n

/** Five digits of 39 leave the upper half free to tell CUSIPs from ISINs; six of 36 fit in 32 bits. */
const isinBit = 0x8000_0000
const headLength = 5

/**
 * Counts distinct identifiers exactly, in 12 to 24 bytes each: a Set of strings would take ten times as much. Each is
 * turned into two whole numbers of 32 bits, which stand for no other identifier, in a table of open addressing.
 */
export class Distinct {
  #slots = new Uint32Array(2 * 4096)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Takes a CUSIP or ISIN as it is normalised. */
  add(value: string): void {
    const isIsin = value.length === 12
    const head = numberOf(value, 0, headLength, 39)
    const tail = numberOf(value, headLength, value.length - 1, isIsin ? 36 : 39)
    // Never zero in both, which marks what is empty: head of a CUSIP is counted from one.
    if (this.#put(isIsin ? (head | isinBit) >>> 0 : head + 1, tail)) this.#count += 1
    if (this.#count * 3 > this.#slots.length) this.#grow()
  }

  #put(head: number, tail: number): boolean {
    const slots = this.#slots
    const mask = slots.length / 2 - 1
    let place = scattered(head, tail) & mask
    while (slots[2 * place] !== 0) {
      if (slots[2 * place] === head && slots[2 * place + 1] === tail) return false
      place = (place + 1) & mask
    }
    slots[2 * place] = head
    slots[2 * place + 1] = tail
    return true
  }

  /** At two thirds full. */
  #grow(): void {
    const before = this.#slots
    this.#slots = new Uint32Array(before.length * 2)
    for (let n = 0; n < before.length; n += 2) {
      const head = before[n] ?? 0
      if (head !== 0) this.#put(head, before[n + 1] ?? 0)
    }
  }
}

function numberOf(value: string, from: number, to: number, base: number): number {
  let number = 0
  for (let n = from; n < to; n += 1) number = number * base + (digits[value.charCodeAt(n)] ?? 0)
  return number
}

function scattered(head: number, tail: number): number {
  let hash = Math.imul(head ^ (tail >>> 15), 0x85eb_ca6b) ^ tail
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
