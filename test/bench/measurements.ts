import type { Measurement } from './harness.ts'
import { client } from './measurements/client.ts'
import { cold } from './measurements/cold.ts'
import { files } from './measurements/files.ts'
import { joins } from './measurements/joins.ts'
import { lateral } from './measurements/lateral.ts'
import { laws } from './measurements/laws.ts'
import { miss } from './measurements/miss.ts'
import { set } from './measurements/set.ts'
import { single } from './measurements/single.ts'
import { upsert } from './measurements/upsert.ts'

/** In the order in which they run. */
export const measurements: readonly Measurement[] = [
  single,
  set,
  lateral,
  joins,
  client,
  upsert,
  laws,
  miss,
  files,
  cold,
]
