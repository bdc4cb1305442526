import type { Task } from 'graphile-worker'
import { workerContext } from '../src/worker/context.ts'
import { drainPatiently } from '../src/worker/drain.ts'

/**
 * Fetches what has been requested until nothing is left to claim. Requests say what to fetch, the job only that there is
 * something: so a job that is lost costs nothing, and one that finds another at work leaves it to that one.
 */
const fetchMappings: Task = async (_payload, { abortSignal }) => {
  const { fetcher } = await workerContext()
  if (fetcher.isDraining) {
    fetcher.poke()
    return
  }
  const stop = () => void fetcher.close()
  abortSignal?.addEventListener('abort', stop, { once: true })
  try {
    await drainPatiently(fetcher, abortSignal)
  } finally {
    abortSignal?.removeEventListener('abort', stop)
  }
}

export default fetchMappings
