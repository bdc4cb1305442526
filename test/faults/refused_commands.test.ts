import { cp, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { migrateUp } from '../../src/database/migrate.ts'
import { migrationsFolder } from '../../src/database/migrations_folder.ts'
import { type Ended, type Installation, start, withInstallation } from '../cli/pgfigi.ts'
import { withFolder } from '../import/reading.ts'
import { isAtLength } from '../support/at_length.ts'
import { type Command, commandsIn } from '../support/commands.ts'
import { withAdmin, withEmptyDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { allNoPostgres, withNoPostgres } from '../support/no_postgres.ts'

/** A command may take so long to say that it is refused, on a machine that does much else besides. */
const patienceMs = 60_000
const wrongPassword = 'word-of-passage'

interface Stage extends Installation {
  readonly folder: string
  /** A role without any right but to connect, and the URL with it. */
  readonly role: string
  readonly roleUrl: string
}

interface Refusal {
  readonly name: string
  /** Calls `work` with the URL that refuses. */
  with(stage: Stage, work: (url: string) => Promise<void>): Promise<void>
  /** What is said. */
  readonly says: RegExp
  /** Whom it does not keep from its work. */
  readonly spares?: (command: Command) => boolean
  readonly code?: number
  /** Who gives what is known all the same. */
  readonly stillAnswers?: (command: Command) => boolean
  /** In short, these of the commands. */
  readonly inShort: readonly string[]
}

const readers = (command: Command) => !command.writes || command.name === 'worker unlock'
const isOne =
  (...names: string[]) =>
  (command: Command) =>
    names.includes(command.name)
/** They ask OpenFIGI alone where the database cannot be reached. */
const goesOnAlone = isOne('resolve', 'resolve --no-wait')

/** Statements as the superuser before and after, and the URL of the role between them. */
function byRole(before: (role: string) => string, after: (role: string) => string): Refusal['with'] {
  return async ({ role, roleUrl }, work) => {
    await withAdmin((sql) => sql.unsafe(before(role)))
    try {
      await work(roleUrl)
    } finally {
      await withAdmin((sql) => sql.unsafe(after(role)))
    }
  }
}

const asSuperuser = (setting: string) =>
  byRole(
    (role) => `alter role ${role} superuser; alter role ${role} set ${setting}`,
    (role) => `alter role ${role} nosuperuser; alter role ${role} reset all`,
  )

function byUrl(change: (url: URL) => void): Refusal['with'] {
  return ({ url }, work) => {
    const changed = new URL(url)
    change(changed)
    return work(changed.href)
  }
}

const refusals: readonly Refusal[] = [
  {
    name: 'a role without rights',
    with: ({ roleUrl }, work) => work(roleUrl),
    says: /lacks a right: see "Rights"|let the owner run docs\/grants.sql|migrate as the role that owns/,
    inShort: ['clear'],
  },
  {
    name: 'a read-only database',
    with: asSuperuser('default_transaction_read_only = on'),
    says: /is read-only.*(point DATABASE_URL to the primary|migrate on the primary)|default_transaction_read_only = on.*alter role/,
    // What resolve is asked for is known.
    spares: (command) => readers(command) || command.name === 'resolve',
    stillAnswers: isOne('enrich'),
    inShort: ['import', 'migrate down'],
  },
  {
    name: 'too many connections',
    with: byRole(
      (role) => `alter role ${role} connection limit 0`,
      (role) => `alter role ${role} connection limit -1`,
    ),
    says: /takes no more connections.*raise max_connections/,
    spares: goesOnAlone,
    inShort: ['enrich'],
  },
  {
    name: 'a statement timeout',
    with: asSuperuser("statement_timeout = '1ms'"),
    says: /statement_timeout (allows|does).*raise statement_timeout/,
    inShort: ['warm --query'],
  },
  {
    name: 'a lock timeout',
    async with(stage, work) {
      await stage.sql.begin(async (locker) => {
        await locker`
          lock table public.security_mappings, figi_private.fetch_requests, figi_private.sightings
          in access exclusive mode`
        await asSuperuser("lock_timeout = '50ms'")(stage, work)
      })
    },
    says: /holds a lock for longer than lock_timeout allows|holds what has to be dropped/,
    spares: isOne(
      'health',
      'migrate up',
      'migrate status',
      'migrate history',
      'worker unlock',
      'worker',
      'start',
    ),
    inShort: ['refresh'],
  },
  {
    name: 'a database without pgfigi',
    with: (_stage, work) => withEmptyDatabase(({ url }) => work(url)),
    says: /no pgfigi.*run pgfigi migrate up|there is nothing to undo/s,
    spares: isOne('migrate up', 'migrate status', 'migrate history', 'migrate down', 'start'),
    inShort: ['history'],
  },
  {
    name: 'an older schema',
    with: ({ folder }, work) =>
      withEmptyDatabase(async ({ url }) => {
        await migrateUp(url, { folder: await firstMigration(folder) })
        await work(url)
      }),
    says: /(no|an older) pgfigi.*run pgfigi migrate up/,
    spares: (command) => !isOne('health', 'warm', 'warm --query', 'worker unlock', 'worker')(command),
    inShort: ['worker unlock'],
  },
  {
    name: 'a newer schema',
    async with({ sql, url }, work) {
      await sql`
        insert into graphile_migrate.migrations (hash, previous_hash, filename, date)
        select 'sha1:of-tomorrow', hash, '000999-tomorrow.sql', now()
        from graphile_migrate.migrations order by filename desc limit 1`
      try {
        await work(url)
      } finally {
        await sql`delete from graphile_migrate.migrations where filename = '000999-tomorrow.sql'`
      }
    },
    says: /newer pgfigi has migrated this database.*upgrade this one/,
    spares: (command) => !isOne('migrate up', 'migrate down', 'worker', 'start')(command),
    inShort: ['start'],
  },
  {
    name: 'a wrong password',
    with: byUrl((url) => {
      url.password = wrongPassword
    }),
    says: /refused the password: check DATABASE_URL/,
    inShort: ['health'],
  },
  {
    name: 'a wrong name',
    with: byUrl((url) => {
      url.pathname = '/no_such_database'
    }),
    says: /does not exist: check the name at the end of DATABASE_URL/,
    inShort: ['changes'],
  },
  {
    name: 'an unknown host',
    with: byUrl((url) => {
      url.hostname = 'no-such-host.invalid'
    }),
    says: /(cannot be reached|no connection to the database).*[cC]heck DATABASE_URL/,
    spares: goesOnAlone,
    inShort: ['migrate down'],
  },
  {
    name: 'a URL that is none',
    with: (_stage, work) => work(`postgres://somebody:${wrongPassword}@host:x/db`),
    says: /DATABASE_URL must be a URL such as .*percent-encoded/,
    code: 2,
    inShort: ['resolve'],
  },
  ...allNoPostgres.map((kind) => ({
    name: kind,
    with: (_stage: Stage, work: (url: string) => Promise<void>) => withNoPostgres(kind, work),
    says: /(cannot be reached|no connection to the database).*[cC]heck DATABASE_URL/,
    spares: goesOnAlone,
    inShort: kind === 'an HTTP server' ? ['stats'] : [],
  })),
]

/** The first of the migrations alone. */
async function firstMigration(folder: string): Promise<string> {
  const committed = join(migrationsFolder(), 'committed')
  const [first = ''] = (await readdir(committed)).sort()
  const copy = join(folder, 'migrations')
  await mkdir(join(copy, 'committed'), { recursive: true })
  await cp(join(committed, first), join(copy, 'committed', first))
  return copy
}

/** What does not hold of how it ended; a sentence each. */
function wrongIn({ code, stdout, stderr }: Ended, command: Command, refusal: Refusal): string[] {
  // That is where health tells it.
  const told = command.name === 'health' && refusal.code !== 2 ? stdout : stderr
  const isAnswer = refusal.stillAnswers?.(command) ?? command.name === 'health'
  const isSaid = told.split('\n').some((line) => refusal.says.test(line))
  return [
    code !== (refusal.code ?? 1) && `it exited with ${code}`,
    !isSaid && 'it does not say so',
    !isAnswer && !/^(error|Stopped): /m.test(stderr) && 'no sentence begins with error:',
    !isAnswer && stdout !== '' && 'it printed data',
    /^\s+at /m.test(stderr) && 'it shows a stack',
    /Something unexpected|PostgresError|node:internal/.test(stderr) && 'it has no words for it',
    (stdout + stderr).includes(wrongPassword) && 'it tells the password',
  ].filter((wrong) => wrong !== false)
}

/** Runs the command until it ends, or lets it end by SIGTERM where nothing keeps it from lasting. */
async function ended(command: Command, env: Record<string, string>): Promise<Ended & { seconds: number }> {
  const began = performance.now()
  const running = start(command.args, { env })
  running.child.stdin.end()
  const timer = setTimeout(() => running.child.kill('SIGKILL'), patienceMs)
  const end = await running.ended
  clearTimeout(timer)
  return { ...end, seconds: (performance.now() - began) / 1000 }
}

const contentOf = async ({ sql }: Installation) => {
  const [row] = await sql`
    select
      (select count(*)::int from public.security_mappings) as mappings,
      (select count(*)::int from figi_private.sightings) as sightings,
      (select count(*)::int from figi_private.fetch_requests where claimed_by is not null) as claimed,
      (select count(*)::int from graphile_migrate.migrations) as migrations`
  return { ...row }
}

test('every command says in a sentence what refuses it and what to do, exits, and leaves nothing half done', () =>
  withInstallation((installation) =>
    withFolder(async (folder) => {
      const { sql, url, env } = installation
      const role = `pgfigi_test_refused_${process.pid}`
      await sql`select from public.upsert_mapping('CUSIP', '037833100', 'AAPL')`
      await withAdmin((admin) =>
        admin.unsafe(`create role ${role} login password '${new URL(url).password}'`),
      )
      const roleUrl = new URL(url)
      roleUrl.username = role
      const stage: Stage = { ...installation, folder, role, roleUrl: roleUrl.href }
      const workplace = await commandsIn(join(folder, 'work'))
      const before = await contentOf(installation)
      const wrongs: string[] = []
      const tried = new Set<string>()
      let slowest = { seconds: 0, what: '' }
      let count = 0
      try {
        const waiting = refusals.filter(({ name }) => allNoPostgres.some((kind) => kind === name))
        const answering = refusals.filter((refusal) => !waiting.includes(refusal))
        const tryAll = async (some: readonly Refusal[], atOnce: number) => {
          for (const refusal of some) {
            const queue = workplace.commands.filter((command) =>
              isAtLength ? !refusal.spares?.(command) : refusal.inShort.includes(command.name),
            )
            const one = async (refusingUrl: string) => {
              for (let command = queue.shift(); command; command = queue.shift()) {
                const { seconds, ...end } = await ended(command, { ...env, DATABASE_URL: refusingUrl })
                const said = `${end.code} ${end.stdout.slice(0, 300)}${end.stderr.slice(0, 800)}`
                if (refusal.stillAnswers?.(command)) await workplace.tidyUp()
                for (const wrong of wrongIn(end, command, refusal))
                  wrongs.push(`${command.name}, ${refusal.name}: ${wrong}\n${said}`)
                if (seconds > slowest.seconds) slowest = { seconds, what: `${command.name}, ${refusal.name}` }
                tried.add(command.name)
                count += 1
              }
            }
            await refusal.with(stage, async (refusingUrl) => {
              await Promise.all(Array.from({ length: atOnce }, () => one(refusingUrl)))
            })
            // Another refusal may be under way beside those that wait.
            if (!some.includes(waiting[0] as Refusal))
              assert.equal(await contentOf(installation), before, refusal.name)
          }
        }
        // Those that wait take no time from the others.
        await Promise.all([tryAll(waiting, 12), tryAll(answering, 3)])
        assert.equal(await workplace.left(), [])
      } finally {
        await sql.unsafe(`drop owned by ${role}`)
        await withAdmin((admin) => admin.unsafe(`drop role ${role}`))
      }
      assert.is(wrongs.join('\n'), '')
      const untried = workplace.commands.filter(
        ({ name }) => isAtLength && !tried.has(name) && name !== 'resolve --no-wait',
      )
      assert.equal(untried, [])
      figure(
        `${count} refusals of ${tried.size} commands, the slowest (${slowest.what}) told after ${slowest.seconds.toFixed(0)} s`,
      )
      if (isAtLength) assert.ok(slowest.seconds < 30, slowest.what)
    }),
  ))

test.run()
