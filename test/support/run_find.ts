import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** The test files below a folder, in order, but for the benchmarks; those only whose path contains one of the patterns. */
export async function findTests(folder: string, patterns: readonly string[]): Promise<string[]> {
  const names = await readdir(folder, { recursive: true })
  return names
    .filter((name) => name.endsWith('.test.ts') && !/^(bench|node_modules)\b/.test(name))
    .map((name) => join(folder, name))
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
    .sort()
}
