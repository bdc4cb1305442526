import type { BenchDatabase } from './database.ts'

/**
 * What a ratio is: `throughput` is ours over the baseline's, in transactions a second; `time` is ours over the
 * baseline's; `speed` is how many times as fast ours is; `memory` is ours over what it may be.
 */
export type RatioKind = 'throughput' | 'time' | 'speed' | 'memory'

export interface Comparison {
  readonly title: string
  readonly kind: RatioKind
  /** What the project wants: at least so much of a throughput or a speed, at most so much of a time or memory; null where a figure is only reported. */
  readonly target: number | null
  /** Each runs once and gives milliseconds, transactions a second, or MiB. */
  readonly baseline: () => Promise<number>
  readonly ours: () => Promise<number>
  /** False where one run takes seconds, so that the first is like the others. Default true. */
  readonly warmUp?: boolean
  /** Where one run takes a minute: no more than so many. */
  readonly mostRounds?: number
  /** Runs after each round, untimed: puts back what the two have changed. */
  readonly restore?: () => Promise<unknown>
  /** Shows how ours is executed, for `--explain`. */
  readonly explain?: () => Promise<string>
}

export interface Measurement {
  readonly name: string
  /** False where it runs only when it is named. Default true. */
  readonly isDefault?: boolean
  readonly comparisons: (database: BenchDatabase, log: (line: string) => void) => Promise<Comparison[]>
}

export interface Result {
  readonly name: string
  /** Of the database, in identifiers. */
  readonly rows: number
  readonly title: string
  readonly unit: 'ms' | 'tps' | 'MiB'
  /** Medians. */
  readonly baseline: number
  readonly ours: number
  /** The median of the rounds' ratios. */
  readonly ratio: number
  readonly ratios: number[]
  readonly kind: RatioKind
  readonly target: number | null
  readonly isMet: boolean
  /** How long it took, preparations left out. */
  readonly seconds: number
}

/** So that one slow measurement does not make the run last for hours: fewer rounds, but never fewer than three. */
const enoughMs = 15_000

/** Both sides in turn, after one run of each that does not count (warmUp); which of them goes first changes from round to round. */
export async function compare(
  name: string,
  rows: number,
  comparison: Comparison,
  rounds: number,
): Promise<Result> {
  const { title, kind, target } = comparison
  const started = performance.now()
  if (comparison.warmUp ?? true) {
    await comparison.baseline()
    await comparison.ours()
    await comparison.restore?.()
  }
  const pairs: { baseline: number; ours: number }[] = []
  for (let round = 0; round < Math.min(rounds, comparison.mostRounds ?? rounds); round++) {
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
    rows,
    title,
    unit: kind === 'throughput' ? 'tps' : kind === 'memory' ? 'MiB' : 'ms',
    baseline: median(pairs.map((pair) => pair.baseline)),
    ours: median(pairs.map((pair) => pair.ours)),
    ratio,
    ratios,
    kind,
    target,
    isMet: target === null || (isAtMost(kind) ? ratio <= target : ratio >= target),
    seconds: Math.round((performance.now() - started) / 100) / 10,
  }
}

/** Whether less is better. */
export function isAtMost(kind: RatioKind): boolean {
  return kind === 'time' || kind === 'memory'
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
