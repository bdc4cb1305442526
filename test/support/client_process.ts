/**
 * A client in a process of its own: its options are the argument. Every message { inputs } is answered
 * with what `resolve` gave for each, all asked for in the same tick.
 */
import { OpenFIGIClient, type Resolution } from '../../src/index.ts'
import { programArgument } from './program_argument.ts'
import { recordingLogger } from './recording_logger.ts'

export interface ClientAnswer {
  readonly answers: Pick<Resolution, 'input' | 'ticker' | 'status' | 'error'>[]
  readonly log: string[]
}

const logger = recordingLogger()
const client = new OpenFIGIClient({ ...programArgument(), logger })

process.on('message', async ({ inputs }: { inputs: string[] }) => {
  const resolutions = await Promise.all(inputs.map((input) => client.resolve(input)))
  const answers = resolutions.map(({ input, ticker, status, error }) => ({ input, ticker, status, error }))
  const log = logger.lines.filter(({ level }) => level !== 'debug').map(({ message }) => message)
  process.send?.({ answers, log } satisfies ClientAnswer)
})
process.once('SIGTERM', async () => {
  await client.close()
  process.disconnect()
})
process.send?.('ready')
