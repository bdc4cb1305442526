import { PgfigiError } from './pgfigi_error.ts'

/** A setting from the environment or the options that cannot be used; the message says what would be right. */
export class InvalidSettingError extends PgfigiError {
  readonly setting: string
  /** What is wrong with it, without its name. */
  readonly problem: string

  constructor(setting: string, problem: string) {
    super(`${setting} ${problem}`)
    this.setting = setting
    this.problem = problem
  }
}
