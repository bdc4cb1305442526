import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { PageData } from './page_data.ts'
import type { PageParts, Pages } from './pages.ts'

/** The server that routes are added to, whose schemas are zod's. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** What routes work with. */
export interface Parts extends PageParts {
  readonly data: PageData
  readonly pages: Pages
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Who is answered: `known` visitors (the default); at the `door` also strangers who may yet become known; `everyone`,
     * whatever else holds.
     */
    access?: 'known' | 'door' | 'everyone'
    /** Whose pace: that of pages and the API (the default), or that of what watches this process. */
    lane?: 'page' | 'probe'
    /** False where an answer is not worth a line of the log. */
    isLogged?: boolean
  }
}
