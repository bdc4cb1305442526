import { OpenFigiResponseError } from '../errors/openfigi_response_error.ts'
import { OpenFigiServerError } from '../errors/openfigi_server_error.ts'
import { OpenFigiTransportError } from '../errors/openfigi_transport_error.ts'

/** OpenFIGI, or the way to it, failed: worth another try, and what the circuit breaker counts. */
export function isOutage(error: unknown): boolean {
  return (
    error instanceof OpenFigiTransportError ||
    error instanceof OpenFigiServerError ||
    error instanceof OpenFigiResponseError
  )
}
