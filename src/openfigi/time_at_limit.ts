import type { Config } from '../config.ts'

/**
 * How long OpenFIGI's limit makes so many identifiers take, in milliseconds: that of full requests, one for each. What the
 * preferred market does not know takes another.
 */
export function timeAtLimit(
  identifiers: number,
  { rateLimit, jobsPerRequest }: Pick<Config, 'rateLimit' | 'jobsPerRequest'>,
): number {
  return (Math.ceil(identifiers / jobsPerRequest) * rateLimit.windowMs) / rateLimit.capacity
}
