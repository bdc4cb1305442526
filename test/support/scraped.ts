/** The samples of a metric in what /metrics says, by the values of its labels in the order of the text: { 'CUSIP hit database': 3 }. */
export function scraped(text: string, metric: string): Record<string, number> {
  const samples = text
    .split('\n')
    .map((line) => /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line))
    .filter((match) => match?.[1] === metric)
  const entries = samples.map((match): [string, number] => {
    const values = [...(match?.[2] ?? '').matchAll(/\w+="([^"]*)"/g)].map(([, value]) => value)
    return [values.join(' '), Number(match?.[3])]
  })
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
