/** A process that uses a home's database until its stdin ends: prints what it got as one line of JSON. */
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { throwawaySettings } from './cluster.ts'

const [home = ''] = process.argv.slice(2)
const { url, port, startedHere, release } = await acquireEmbedded({ home, settings: throwawaySettings })
console.log(JSON.stringify({ url, port, startedHere }))
process.stdin.resume()
process.stdin.on('end', () => void release())
