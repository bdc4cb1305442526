import { PgfigiError } from './pgfigi_error.ts'

/** Settings that cannot be used: every fault at once, each with the setting's name and what would be right. */
export class ConfigError extends PgfigiError {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(
      faults.length === 1
        ? String(faults[0])
        : `${faults.length} settings cannot be used:\n- ${faults.join('\n- ')}`,
    )
    this.faults = faults
  }
}
