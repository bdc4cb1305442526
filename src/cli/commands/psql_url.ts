import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { print, tell } from '../output.ts'

const help = `
This is the one command that prints the database's password.

Example:
  $ psql "$(pgfigi psql-url)"`

export function addPsqlUrl(program: Command, context: Context): void {
  program
    .command('psql-url')
    .summary('the URL to connect to the database with')
    .description('Prints DATABASE_URL, or the URL of the embedded database where it is running.')
    .addHelpText('after', help)
    .action(async () => {
      context.exitCode = await psqlUrl(context)
    })
}

async function psqlUrl(context: Context): Promise<number> {
  const { runningEmbedded } = await import('../../database/embedded.ts')
  const config = await context.config()
  const url = config.databaseUrl ?? (await runningEmbedded(config.home))?.url
  if (url !== undefined) {
    await print(context, url)
    return 0
  }
  const { commandLine } = await import('../invocation.ts')
  tell(
    context,
    `The embedded database in ${config.home} is not running: start it with \`${commandLine('start', config)}\`, or set DATABASE_URL.`,
  )
  return 1
}
