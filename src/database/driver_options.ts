import { arrayTypes } from './array_types.ts'
import { addressOf } from './server_urls.ts'
import type { DriverAddress, Sockets } from './sockets.ts'

/** What the driver is given for whatever connects to a server: our sockets, and no questions of its own. */
export function driverOptions(url: string, sockets: Sockets) {
  return {
    ...addressOf(url),
    // The driver would ask for them on each new connection, where nobody could catch that it was lost meanwhile.
    fetch_types: false,
    types: arrayTypes,
    ...{ socket: (address: DriverAddress) => sockets.open(address) },
  }
}
