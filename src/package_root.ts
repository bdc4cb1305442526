import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that holds src/ and tasks/: the checkout, or dist/ of the built package. */
export const codeRoot = fileURLToPath(new URL('..', import.meta.url))

/** The folder that holds package.json, crontab and migrations/. */
export const packageRoot = existsSync(join(codeRoot, 'package.json')) ? codeRoot : join(codeRoot, '..')
