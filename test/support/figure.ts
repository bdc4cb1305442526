/** What a test measured, in a few words; `npm run test:faults -- --write` puts them into docs/guarantees.md. */
export function figure(text: string): void {
  console.log(`\nFIGURE: ${text}`)
}

/** The figures in what a test file printed. */
export function figuresIn(output: string): string[] {
  return [...output.matchAll(/^FIGURE: (.+)$/gm)].map(([, text]) => text ?? '')
}
