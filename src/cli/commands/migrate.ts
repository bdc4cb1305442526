import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { migrateDown } from './migrate_down.ts'
import { migrateHistory } from './migrate_history.ts'
import { migrateNew } from './migrate_new.ts'
import { migrateStatus } from './migrate_status.ts'
import { migrateUp } from './migrate_up.ts'

const upHelp = `
Everything that speaks against it is found out before anything is changed, and a migration is applied as a whole or not
at all. A database with other tables in it will do, unless another project's graphile-migrate manages it.

Example:
  $ DATABASE_URL=postgres://owner@db.example/app pgfigi migrate up`

const downHelp = `
In one transaction, and only where no rows would be lost: --force undoes it all the same. Nothing is asked. What others
have built on pgfigi (a view, say) is never dropped along: it stops the undo, and is named. So does a session that holds
what has to be dropped for more than ten seconds.

Examples:
  $ pgfigi migrate down
  $ pgfigi migrate down --force --json`

const statusHelp = `
Examples:
  $ pgfigi migrate status
  $ pgfigi migrate status --json | jq '.pending | length'`

const historyHelp = `
Example:
  $ pgfigi migrate history`

const newHelp = `
Writes the name as the message of migrations/current.sql, which has to be blank; for those who develop pgfigi, in a
checkout. Then write the change there, with npm run db:watch running, and close it with npm run db:commit.

Example:
  $ npm run -s pgfigi -- migrate new mappings know their currency`

export function addMigrate(program: Command, context: Context): void {
  const migrate = program
    .command('migrate')
    .summary('bring the schema up to date, take it back, and look at it')
    .description('The schema of the database of DATABASE_URL, or of the embedded one.')
    .addHelpText('after', '\nExample:\n  $ pgfigi migrate up')
  migrate
    .command('up')
    .summary('apply what is pending')
    .description('Applies the pending migrations, and prints their names.')
    .addHelpText('after', upHelp)
    .action(async () => {
      context.exitCode = await migrateUp(context)
    })
  migrate
    .command('down')
    .summary('undo the migration that was applied last')
    .description('Undoes the migration that was applied last, and prints its name.')
    .option('--force', 'even where rows would be lost')
    .option('--json', 'print {"undone": name}, or null for the name where none is applied')
    .addHelpText('after', downHelp)
    .action(async (options: { force?: boolean; json?: boolean }) => {
      context.exitCode = await migrateDown(options, context)
    })
  migrate
    .command('status')
    .summary('what is applied, and what is pending')
    .description('Prints the migrations that are applied and those that are pending.')
    .option('--json', 'one JSON object: {"applied": [...], "pending": [...]}')
    .option('--check', 'exit with 1 where something is pending')
    .addHelpText('after', statusHelp)
    .action(async (options: { json?: boolean; check?: boolean }) => {
      context.exitCode = await migrateStatus(options, context)
    })
  migrate
    .command('history')
    .summary('when each migration was applied')
    .description('Prints the migrations that are applied, with their messages and the time of each.')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', historyHelp)
    .action(async (options: { json?: boolean }) => {
      context.exitCode = await migrateHistory(options, context)
    })
  migrate
    .command('new')
    .summary('begin a migration (in a checkout)')
    .description('Begins a migration in migrations/current.sql.')
    .argument('<name...>', 'what it does, in some words')
    .addHelpText('after', newHelp)
    .action(async (words: string[]) => {
      context.exitCode = await migrateNew(words.join(' '), context)
    })
}
