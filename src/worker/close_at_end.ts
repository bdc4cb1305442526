import 'graphile-worker'
import { closeOwnContext } from './context.ts'

/**
 * Writes the last counts and takes the process's row away when plain graphile-worker is stopped in order: it kills itself as
 * soon as the pool is gone, and awaits this.
 */
export const closeAtEnd: GraphileConfig.Plugin = {
  name: 'PgfigiCloseAtEnd',
  version: '1.0.0',
  worker: {
    middleware: {
      async poolGracefulShutdown(next) {
        try {
          return await next()
        } finally {
          await closeOwnContext().catch(() => {})
        }
      },
    },
  },
}
