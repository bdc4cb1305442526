import { setFlagsFromString } from 'node:v8'

/**
 * For commands that files pass through: what is read does not last, and V8 may collect it soon instead of growing. As fast, in
 * half the memory (measured); --optimize-for-size would take half as long again.
 */
export function keepHeapSmall(): void {
  keepYoungHeap()
  setFlagsFromString('--heap-growing-percent=60')
}

/** The same where much is under way at a time: the heap of what is young has to hold it, and may grow until keepYoungHeap. */
export function growHeapSlowly(): void {
  setFlagsFromString('--heap-growing-percent=100')
}

/** The heap of what is young stays as large as it is. */
export function keepYoungHeap(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
