/** For an option that may be given again: all its values, in their order. */
export function collected(value: string, before: readonly string[]): string[] {
  return [...before, value]
}
