import { PgfigiError } from './pgfigi_error.ts'

/** The clock of this machine is too far from the database's for what goes by it. */
export class ClockError extends PgfigiError {
  /** How far it is ahead; negative where it is behind. */
  readonly aheadMs: number

  constructor(aheadMs: number) {
    const { value, unit } = inWords(Math.abs(aheadMs))
    super(
      `The clock of this machine is ${value} ${unit} ${aheadMs > 0 ? 'ahead of' : 'behind'} the database's, and the crontab goes by it: ` +
        'set both right (chrony, systemd-timesyncd), then start the worker again.',
    )
    this.aheadMs = aheadMs
  }
}

function inWords(ms: number): { value: number; unit: string } {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 120) return { value: minutes, unit: 'minutes' }
  const hours = Math.round(minutes / 60)
  return hours < 48 ? { value: hours, unit: 'hours' } : { value: Math.round(hours / 24), unit: 'days' }
}
