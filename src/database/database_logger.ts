import type { BaseLogger } from 'pino'

/** As much of a logger as the embedded database and the migrations need. */
export type DatabaseLogger = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>
