import { SingleBar } from 'cli-progress'
import type { Context } from './context.ts'

/** What is over sooner needs no bar. */
const delayMs = 500
const barLength = 30

/** A progress bar on stderr where that is a terminal, for what lasts; else nothing. */
export class Progress implements Disposable {
  readonly #noun: string
  readonly #startedAt = performance.now()
  readonly #bar: SingleBar | null = null
  #timer: NodeJS.Timeout | null = null
  #total: number | null
  #done = 0
  #note: string | null = null

  /** Total null: nobody knows how much there is. */
  constructor({ stderr, signal }: Pick<Context, 'stderr' | 'signal'>, noun: string, total: number | null) {
    this.#noun = noun
    this.#total = total
    if (!stderr.isTTY) return
    signal.addEventListener('abort', () => this[Symbol.dispose](), { once: true })
    this.#bar = new SingleBar({
      stream: stderr,
      format: () => this.#line(),
      clearOnComplete: true,
      hideCursor: null,
      linewrap: null,
    })
    this.#startSoon()
  }

  update(done: number, total = this.#total): void {
    this.#done = done
    this.#total = total
    this.#bar?.update(done)
  }

  /** What to say behind the bar instead of a guess of the time left; null: that guess. */
  note(text: string | null): void {
    this.#note = text
  }

  /** Takes the bar away, before something else is written to the same terminal; it comes back below that. */
  makeRoom(): void {
    if (!this.#bar?.isActive) return
    this.#bar.stop()
    this.#startSoon()
  }

  [Symbol.dispose](): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#bar?.stop()
  }

  #startSoon(): void {
    this.#timer = setTimeout(() => this.#bar?.start(this.#total ?? 0, this.#done), delayMs)
  }

  #line(): string {
    const seconds = (performance.now() - this.#startedAt) / 1000
    const done = this.#done.toLocaleString('en-US')
    if (this.#total === null) return `${done} ${this.#noun}, ${duration(seconds)}`
    const share = this.#total === 0 ? 1 : Math.min(this.#done / this.#total, 1)
    const full = Math.round(share * barLength)
    const guess = share > 0.05 && seconds > 3 ? `, about ${duration(seconds / share - seconds)} left` : ''
    const left = this.#note === null ? guess : `, ${this.#note}`
    return `[${'='.repeat(full)}${'-'.repeat(barLength - full)}] ${done} of ${this.#total.toLocaleString('en-US')} ${this.#noun}${left}`
  }
}

/** `45 s`, `12 min`, `1.5 h` */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}
