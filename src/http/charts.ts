import type { BucketCount, Sizes } from '../database/counting.ts'
import type { Chart, Range } from './models.ts'

/** How much there was at the end of a bucket of time, as far as it is drawn. */
export type BucketSize = Pick<Sizes, 'at' | 'found' | 'negatives' | 'ended'>

/** Which buckets a range has; all begin at whole multiples of their length since 1970. */
export interface Span {
  readonly range: Range
  readonly bucketSeconds: number
  /** Where the buckets begin, oldest first; the last one is not over. */
  readonly at: readonly Date[]
}

const spans: Readonly<Record<Range, { bucketSeconds: number; buckets: number; each: string }>> = {
  '1h': { bucketSeconds: 60, buckets: 60, each: 'minute' },
  '24h': { bucketSeconds: 600, buckets: 144, each: '10 minutes' },
  '7d': { bucketSeconds: 7200, buckets: 84, each: '2 hours' },
}

/** The labels that are always shown, in this order; others follow as they come. */
const statuses = ['hit', 'stale', 'negative', 'miss', 'invalid']
const kinds = ['first_seen', 'renamed', 'retired', 'revived']

/** The buckets of a range that ends now. */
export function spanOf(range: Range, now: Date): Span {
  const { bucketSeconds, buckets } = spans[range]
  const last = Math.floor(now.getTime() / (bucketSeconds * 1000))
  const at = Array.from(
    { length: buckets },
    (_, place) => new Date((last - buckets + 1 + place) * bucketSeconds * 1000),
  )
  return { range, bucketSeconds, at }
}

/** The four charts of a span. What was not counted is zero, and what was not measured is null. */
export function chartsOf(span: Span, counts: readonly BucketCount[], sizes: readonly BucketSize[]): Chart[] {
  const { each } = spans[span.range]
  const frame = { bucket_seconds: span.bucketSeconds, at: span.at.map((at) => at.toISOString()) }
  const counted = (counter: string, label: string, always: readonly string[]) =>
    countedSeries(
      span,
      counts.filter((count) => count.counter === counter),
      label,
      always,
    )
  return [
    {
      name: 'lookups',
      title: 'Lookups by status',
      unit: `lookups per ${each}`,
      ...frame,
      series: counted('lookups', 'status', statuses),
    },
    {
      name: 'requests',
      title: 'Requests to OpenFIGI by answer',
      unit: `requests per ${each}`,
      ...frame,
      series: counted('openfigi_requests', 'code', ['200']),
    },
    {
      name: 'changes',
      title: 'Ticker changes by kind',
      unit: `changes per ${each}`,
      ...frame,
      series: counted('ticker_changes', 'kind', kinds),
    },
    { name: 'growth', title: 'Growth', unit: 'rows', ...frame, series: sizeSeries(span, sizes) },
  ]
}

function countedSeries(
  span: Span,
  counts: readonly BucketCount[],
  label: string,
  always: readonly string[],
): Chart['series'] {
  const kindOf = (count: BucketCount) => count.labels[label] ?? 'other'
  const others = [...new Set(counts.map(kindOf))].filter((value) => !always.includes(value)).sort()
  const places = placesOf(span)
  return [...always, ...others].map((value) => {
    const values = new Array<number>(span.at.length).fill(0)
    for (const count of counts) {
      const place = places.get(count.at.getTime())
      if (place !== undefined && kindOf(count) === value) values[place] = (values[place] ?? 0) + count.count
    }
    return { label: value, values }
  })
}

function sizeSeries(span: Span, sizes: readonly BucketSize[]): Chart['series'] {
  const places = placesOf(span)
  return (['found', 'negatives', 'ended'] as const).map((label) => {
    const values = new Array<number | null>(span.at.length).fill(null)
    for (const size of sizes) {
      const place = places.get(size.at.getTime())
      if (place !== undefined) values[place] = size[label]
    }
    return { label, values }
  })
}

function placesOf(span: Span): Map<number, number> {
  return new Map(span.at.map((at, place) => [at.getTime(), place]))
}
