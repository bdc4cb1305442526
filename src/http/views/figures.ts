const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })

/** `1,234,567` */
export function number(value: number): string {
  return grouped.format(value)
}

/** `3 requests`, `1 request` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`
}

/** A share of 0 to 1 as `97.3 %`; what is nearly all is not said to be all, nor nearly nothing nothing. */
export function percent(share: number): string {
  const rounded = Math.round(share * 1000) / 10
  if (share > 0 && rounded === 0) return '< 0.1 %'
  if (share < 1 && rounded === 100) return '> 99.9 %'
  return `${number(rounded)} %`
}

const units: readonly (readonly [name: string, seconds: number])[] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
]

/** A length of time in its two largest units: `2 days 3 hours`, `45 seconds`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 1) return seconds > 0 ? 'under a second' : '0 seconds'
  const first = units.findIndex(([, length]) => whole >= length)
  const [name, length] = units[first] ?? ['second', 1]
  const count = Math.floor(whole / length)
  const [nextName, nextLength] = units[first + 1] ?? [null, 1]
  const rest = Math.floor((whole % length) / nextLength)
  const plenty = name === 'day' && count >= 10
  return nextName === null || rest === 0 || plenty
    ? counted(count, name)
    : `${counted(count, name)} ${counted(rest, nextName)}`
}

/** The same for little room: `1 min 23 s`. */
export function shortDuration(seconds: number): string {
  return duration(seconds).replace(
    / (day|hour|minute|second)s?/g,
    (_, name: string) => ` ${shortNames[name]}`,
  )
}

const shortNames: Readonly<Record<string, string>> = { day: 'd', hour: 'h', minute: 'min', second: 's' }

/** A value of a health check in its unit. */
export function inUnit(value: number, unit: string): string {
  if (unit === 'seconds') return duration(value)
  if (unit === 'share') return percent(value)
  if (unit === 'bytes') return bytes(value)
  return unit === '' ? number(value) : `${number(value)} ${value === 1 ? unit.replace(/s$/, '') : unit}`
}

function bytes(value: number): string {
  const steps = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(steps.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(value, 1)) / 3)))
  return `${number(value / 1000 ** step)} ${steps[step]}`
}
