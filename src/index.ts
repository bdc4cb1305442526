import './node_version.ts'

export { type Input, OpenFIGIClient, type Resolution, type ResolveOptions } from './client.ts'
export type { OpenFIGIClientOptions } from './client_options.ts'
export type { CacheStats } from './database/cache.ts'
export type { ResolvedMapping, Status } from './database/lookups.ts'
export { ConfigError } from './errors/config_error.ts'
export { DatabaseError } from './errors/database_error.ts'
export { DeadlineError } from './errors/deadline_error.ts'
export { ImportError } from './errors/import_error.ts'
export { LookupFailedError } from './errors/lookup_failed_error.ts'
export { OpenFigiAuthError } from './errors/openfigi_auth_error.ts'
export { OpenFigiUnavailableError } from './errors/openfigi_unavailable_error.ts'
export { PgfigiError } from './errors/pgfigi_error.ts'
export {
  completeCusip,
  cusipCheckDigit,
  type Identifier,
  type IdentifierType,
  identify,
  isinCheckDigit,
  isinOfCusip,
  normalizeCusip,
  normalizeIdentifier,
  normalizeIsin,
} from './identifiers.ts'
