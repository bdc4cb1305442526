import type { Measurement } from './harness.ts'
import { asOf } from './measurements/as_of.ts'
import { client } from './measurements/client.ts'
import { cold } from './measurements/cold.ts'
import { enrich } from './measurements/enrich.ts'
import { files } from './measurements/files.ts'
import { joins } from './measurements/joins.ts'
import { latency } from './measurements/latency.ts'
import { lateral } from './measurements/lateral.ts'
import { laws } from './measurements/laws.ts'
import { miss } from './measurements/miss.ts'
import { millionMisses, misses } from './measurements/misses.ts'
import { page } from './measurements/page.ts'
import { set } from './measurements/set.ts'
import { single } from './measurements/single.ts'
import { upsert } from './measurements/upsert.ts'

/** In the order in which they run. */
export const measurements: readonly Measurement[] = [
  single,
  latency,
  set,
  lateral,
  joins,
  asOf,
  client,
  upsert,
  laws,
  miss,
  misses,
  millionMisses,
  files,
  enrich,
  cold,
  page,
]
