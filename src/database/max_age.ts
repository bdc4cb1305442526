/** An age in days as the interval that SQL functions take for max_age; null leaves it to the database's setting. */
export function maxAgeOf(days: number | null): string | null {
  return days === null ? null : `${days * 86_400} seconds`
}
