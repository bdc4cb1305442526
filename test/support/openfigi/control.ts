/** Remote control for other processes. It is no part of OpenFIGI, takes no key and is not limited. */

import type { ServerResponse } from 'node:http'
import type { Simulator } from '../openfigi_simulator.ts'
import type { Fault } from './faults.ts'
import { sendJson } from './reply.ts'
import type { Override } from './universe.ts'

export const CONTROL_PATH = '/_simulator/'

export function control(
  sim: Simulator,
  method: string,
  path: string,
  body: string,
  response: ServerResponse,
) {
  try {
    const input = body === '' ? {} : JSON.parse(body)
    sendJson(response, handle(sim, `${method} ${path.slice(CONTROL_PATH.length)}`, input))
  } catch (error) {
    sendJson(response, { error: error instanceof Error ? error.message : String(error) }, {}, 400)
  }
}

function handle(sim: Simulator, command: string, input: Record<string, unknown>): unknown {
  switch (command) {
    case 'GET log':
      return { summary: sim.summary(), entries: sim.log }
    case 'GET summary':
      return sim.summary()
    case 'POST faults':
      for (const fault of Array.isArray(input) ? input : [input]) sim.fail(fault as Fault)
      return { pending: sim.pendingFaults() }
    case 'DELETE faults':
      sim.clearFaults()
      return { pending: 0 }
    case 'POST reset':
      sim.reset()
      return {}
    case 'POST latency':
      if (typeof input.latencyMs !== 'number') throw new TypeError('latencyMs must be a number')
      sim.setLatency(input.latencyMs)
      return { latencyMs: input.latencyMs }
    case 'POST poison':
      sim.poison(String(input.idValue))
      return {}
    case 'POST rename':
      sim.rename(String(input.idValue), String(input.ticker))
      return {}
    case 'POST set':
      sim.set(String(input.idValue), input.answer as Override)
      return {}
    default:
      throw new Error(`no such command: ${command}`)
  }
}
