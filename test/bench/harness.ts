import type { BenchDatabase } from './database.ts'

/**
 * What a ratio is: `throughput` is ours over the baseline's, in transactions a second; `time` is ours over the
 * baseline's; `speed` is how many times as fast ours is.
 */
export type RatioKind = 'throughput' | 'time' | 'speed'

export interface Comparison {
  readonly title: string
  readonly kind: RatioKind
  /** What the project wants: at least so much of a throughput or a speed, at most so much of a time. */
  readonly target: number
  /** Each runs once and gives milliseconds, or transactions a second. */
  readonly baseline: () => Promise<number>
  readonly ours: () => Promise<number>
  /** False where one run takes seconds, so that the first is like the others. Default true. */
  readonly warmUp?: boolean
  /** Runs after each round, untimed: puts back what the two have changed. */
  readonly restore?: () => Promise<unknown>
  /** Shows how ours is executed, for `--explain`. */
  readonly explain?: () => Promise<string>
}

export interface Measurement {
  readonly name: string
  readonly comparisons: (database: BenchDatabase, log: (line: string) => void) => Promise<Comparison[]>
  readonly close?: () => Promise<void>
}

export interface Result {
  readonly name: string
  readonly title: string
  readonly unit: 'ms' | 'tps'
  /** Medians. */
  readonly baseline: number
  readonly ours: number
  /** The median of the rounds' ratios. */
  readonly ratio: number
  readonly ratios: number[]
  readonly kind: RatioKind
  readonly target: number
  readonly isMet: boolean
}

/** So that one slow measurement does not make the run last for hours: fewer rounds, but never fewer than three. */
const enoughMs = 60_000

/** Both sides in turn, after one run of each that does not count (warmUp); which of them goes first changes from round to round. */
export async function compare(name: string, comparison: Comparison, rounds: number): Promise<Result> {
  const { title, kind, target } = comparison
  const started = performance.now()
  if (comparison.warmUp ?? true) {
    await comparison.baseline()
    await comparison.ours()
    await comparison.restore?.()
  }
  const pairs: { baseline: number; ours: number }[] = []
  for (let round = 0; round < rounds; round++) {
    if (round >= 3 && performance.now() - started > enoughMs) break
    const before = round % 2 === 1 ? await comparison.ours() : undefined
    const baseline = await comparison.baseline()
    pairs.push({ baseline, ours: before ?? (await comparison.ours()) })
    await comparison.restore?.()
  }
  const ratios = pairs.map((pair) =>
    kind === 'speed' ? pair.baseline / pair.ours : pair.ours / pair.baseline,
  )
  const ratio = median(ratios)
  return {
    name,
    title,
    unit: kind === 'throughput' ? 'tps' : 'ms',
    baseline: median(pairs.map((pair) => pair.baseline)),
    ours: median(pairs.map((pair) => pair.ours)),
    ratio,
    ratios,
    kind,
    target,
    isMet: kind === 'time' ? ratio <= target : ratio >= target,
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = Number.NaN, high = Number.NaN] = [
    sorted[sorted.length % 2 ? middle : middle - 1],
    sorted[middle],
  ]
  return (low + high) / 2
}
