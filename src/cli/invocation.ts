import { existsSync } from 'node:fs'
import { join, sep } from 'node:path'
import { type Config, defaultHome } from '../config.ts'
import { packageRoot } from '../package_root.ts'

/** How to run another pgfigi command from where this one was started, on the same embedded database. */
export function commandLine(args: string, config: Config): string {
  const isDefaultHome = config.databaseUrl !== undefined || config.home === defaultHome
  const home = isDefaultHome ? '' : `PGFIGI_HOME=${quoted(config.home)} `
  return `${home}${isCheckout() ? 'npm run -s pgfigi --' : 'npx pgfigi'} ${args}`
}

/** Whether this is the repository, where migrations are written, and not the published package. */
export function isCheckout(): boolean {
  return (
    existsSync(join(packageRoot, 'migrations', 'fixtures')) &&
    !packageRoot.includes(`${sep}node_modules${sep}`)
  )
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w/.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
