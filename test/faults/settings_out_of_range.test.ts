import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/client.ts'
import { configOf, optionNames } from '../../src/client_options.ts'
import { logLevels, parseConfig, settingNames } from '../../src/config.ts'
import { ConfigError } from '../../src/errors/config_error.ts'
import { amount } from '../support/at_length.ts'
import fc from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'

type IsRight = (text: string) => boolean

const whole =
  (from: number, to: number): IsRight =>
  (text) =>
    [...text].every((character) => '0123456789'.includes(character)) &&
    Number(text) >= from &&
    Number(text) <= to

const isPrintable: IsRight = (text) => [...text].every((character) => character > ' ' && character <= '~')
const hasNoControl: IsRight = (text) =>
  [...text].every((character) => {
    const code = character.codePointAt(0) ?? 0
    return code > 31 && (code < 127 || code > 159)
  })
const isYesOrNo: IsRight = (text) =>
  ['true', 'false', '1', '0', 'yes', 'no', 'on', 'off'].includes(text.toLowerCase())

/** Beside what is right there are forms whose rules are tried elsewhere: of these only examples. */
const oneOf =
  (...right: string[]): IsRight =>
  (text) =>
    right.includes(text)

const databaseUrls = [
  'postgres://',
  'postgres://localhost/db',
  'postgresql://u:p%40ss@h:5432/db?sslmode=require',
  'postgres://u:p@a:5432,b:5433/db',
  'postgres://u:p@[::1]:5432/db',
  'postgres:///db?host=/tmp',
]

/** Of each setting what is right; a new one without a rule here fails. */
const rules: Readonly<Record<string, IsRight>> = {
  DATABASE_URL: oneOf(...databaseUrls),
  DATABASE_READ_URL: oneOf(...databaseUrls),
  DATABASE_DIRECT_URL: oneOf(...databaseUrls),
  PGFIGI_MAX_CONNECTIONS: whole(1, 1000),
  PGFIGI_IDLE_TIMEOUT_SECONDS: whole(0, 86_400),
  PGFIGI_CONNECTION_LIFETIME_SECONDS: whole(0, 2_000_000),
  PGFIGI_PREPARE: isYesOrNo,
  PGFIGI_QUERY_TIMEOUT_MS: whole(1, 86_400_000),
  PGFIGI_CACHE_IN_PROCESS: whole(0, 10_000_000),
  PGFIGI_MAX_REPLICA_LAG_SECONDS: whole(0, 86_400),
  OPENFIGI_API_KEY: isPrintable,
  OPENFIGI_API_URL: oneOf('https://api.openfigi.com', 'http://127.0.0.1:8080', 'http://localhost'),
  OPENFIGI_CACHE_MAX_AGE_DAYS: (text) => {
    const [days = '', fraction = '0', ...more] = text.split('.')
    const isDigits = [days, fraction].every((part) => part !== '' && whole(0, Number.POSITIVE_INFINITY)(part))
    return isDigits && more.length === 0 && Number(text) <= 36_500
  },
  OPENFIGI_AUTO_REFRESH_STALE: isYesOrNo,
  OPENFIGI_RATE_LIMIT: oneOf('25/7s', '1/1ms', '1000/60m'),
  OPENFIGI_JOBS_PER_REQUEST: whole(1, 100),
  OPENFIGI_LISTING_PREFERENCE: oneOf('US,home,any', 'any', 'home', 'US'),
  OPENFIGI_TIMEOUT_MS: whole(1, 600_000),
  PGFIGI_PAGE_HOST: (text) => [...text].every((character) => /[A-Za-z0-9_.:-]/.test(character)),
  PGFIGI_PAGE_PORT: whole(0, 65_535),
  PGFIGI_PAGE_PASSWORD: (text) => text.trim().length >= 12 && [...text].length <= 1_000 && hasNoControl(text),
  PGFIGI_PAGE_TOKEN: (text) => text.length >= 12 && text.length <= 1_000 && isPrintable(text),
  PGFIGI_HOME: hasNoControl,
  LOG_LEVEL: (text) => (logLevels as readonly string[]).includes(text.toLowerCase()),
}

const secret = 'hunter2-hunter2'

const nonsense = [
  ...['-1', '-0', '0', '1', '1.5', '1e3', '0x10', '1_000', '+5', '５', '٣', 'NaN', 'Infinity', '-Infinity'],
  ...[
    '9'.repeat(400),
    `${2 ** 53}`,
    '65535',
    '65536',
    '1001',
    'null',
    'undefined',
    '{}',
    '[]',
    'true',
    'TRUE',
    'yes',
  ],
  ...[
    '\n5',
    '5\n',
    '5\0',
    'a b',
    'a\u00a0b',
    '\ud800',
    'ß',
    '\u202e',
    "'; drop",
    '$(id)',
    '../..',
    'x'.repeat(100_000),
  ],
  ...databaseUrls,
  ...[
    'postgres://h:99999/d',
    'postgres://h:x/d',
    'postgres://u:%zz@h/d',
    'postgres://u:a/b@h/d',
    'mysql://h/d',
  ],
  ...[
    `postgres://u:${secret}@h/d\n`,
    `postgres://u:${secret}@h:99999/d`,
    `postgres://u:${secret}@h/d\0`,
    'postgres://h/d e',
  ],
  ...[
    'https://api.openfigi.com',
    `https://u:${secret}@api.openfigi.com`,
    'http://api.openfigi.com',
    'http://127.0.0.1:8080',
  ],
  ...[
    'https://api.openfigi.com/#x',
    'https://api.openfigi.com/?x',
    'https://api.openfigi.com/v3',
    'file:///etc/passwd',
  ],
  ...[
    '25/7s',
    '0/7s',
    '25/0s',
    '1001/1s',
    '25/7h',
    '25/７s',
    '1/1ms',
    '1000/60m',
    '25/7s/1s',
    'US,home,any',
    'US,,any',
    'any',
    'XX',
  ],
  ...[
    '127.0.0.1',
    '::1',
    'host\n',
    'ho st',
    'info',
    'TRACE',
    'verbose',
    '12345678901',
    '123456789012',
    'p'.repeat(1_001),
  ],
]

const anyText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...nonsense) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: -5, max: 3_000_000 }).map(String) },
)

/** Forms of which only examples are known here: of other texts nothing is claimed but that they are taken or refused. */
const byExample = /URL|RATE_LIMIT|PREFERENCE/

function faultsOf(work: () => unknown): readonly string[] {
  try {
    work()
    return []
  } catch (error) {
    assert.instance(error, ConfigError, String(error))
    return (error as ConfigError).faults
  }
}

test('every setting has a rule here', () => {
  assert.equal(Object.keys(rules).toSorted(), settingNames.toSorted())
})

test('whatever the settings say, each fault is told once, with its name, all together, and no secret', () => {
  const taken = { right: 0, wrong: 0 }
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...settingNames), anyText, { minKeys: 1, maxKeys: 6 }),
      (given) => {
        const environment = { ...given }
        const faults = faultsOf(() => parseConfig(environment))
        for (const [name, text] of Object.entries(environment)) {
          const own = faults.filter((fault) => fault.startsWith(`${name} must `))
          assert.ok(own.length <= 1, own.join('\n'))
          // Blanks count as unset, but never for what guards the page.
          const isUnset = (/PASSWORD|TOKEN/.test(name) ? text : text.trim()) === ''
          const isRight = isUnset || rules[name]?.(text)
          taken[isRight ? 'right' : 'wrong'] += 1
          if (isRight) assert.equal(own, [], text)
          else if (!byExample.test(name) || nonsense.includes(text)) {
            const isOther = name === 'OPENFIGI_LISTING_PREFERENCE' || name === 'OPENFIGI_RATE_LIMIT'
            if (!isOther) assert.is(own.length, 1, `${name}=${JSON.stringify(text.slice(0, 60))} was taken`)
          }
        }
        assert.ok(
          faults.every((fault) => settingNames.some((name) => fault.startsWith(`${name} must`))),
          faults.join(),
        )
        assert.not.match(faults.join(), new RegExp(secret))
        assert.ok(faults.join().length < 400 * (faults.length + 1))
      },
    ),
    { numRuns: amount(1_500, 60_000) },
  )
  assert.ok(taken.right > 500 && taken.wrong > 500)
  figure(`${(taken.right + taken.wrong).toLocaleString('en-US')} settings`)
})

const throwing = new Proxy({}, { get: () => assert.unreachable('it looked inside') })
const values: readonly unknown[] = [
  ...[Number.NaN, Number.POSITIVE_INFINITY, -1, 1e21, 1.5, 2 ** 53, true, false, '', ' ', 'x\ny', '\0', 5n],
  ...[
    {},
    [],
    [5],
    () => 5,
    Symbol('x'),
    new Date(Number.NaN),
    new Map(),
    throwing,
    Object.create(null),
    new URL('postgres://h/d'),
  ],
]

test('whatever the options of a client are, it is made or says what is wrong with each', () => {
  const numbers: Readonly<Record<string, unknown>> = { maxKept: 5, timeoutMs: 5, maxConnections: 5 }
  for (const name of optionNames) {
    for (const value of values) {
      if (value === throwing && (name === 'logger' || name === 'dispatcher')) continue
      const faults = faultsOf(() => configOf({ [name]: value }))
      assert.ok(faults.length <= 1)
      const isOfOtherType = ['object', 'function', 'symbol', 'bigint'].includes(typeof value)
      if (isOfOtherType) assert.is(faults.length, 1, `${name} took ${typeof value}`)
      if (faults.length === 1) assert.match(faults[0] ?? '', /must (be|have|not|begin)/)
    }
    assert.equal(
      faultsOf(() => configOf({ [name]: undefined })),
      [],
    )
    assert.equal(
      faultsOf(() => configOf({ [name]: null })),
      [],
    )
    if (name in numbers)
      assert.equal(
        faultsOf(() => configOf({ [name]: numbers[name] })),
        [],
      )
  }
  for (const name of [
    'maxKept',
    'timeoutMs',
    'jobsPerRequest',
    'maxConnections',
    'queryTimeoutMs',
    'cacheInProcess',
    'cacheMaxAgeDays',
    'idleTimeoutSeconds',
    'connectionLifetimeSeconds',
  ])
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e21, 'x'])
      assert.is(faultsOf(() => configOf({ [name]: value })).length, 1, `${name}: ${value}`)
})

test('options that there are not, and no options at all, are told; all faults together', () => {
  assert.match(
    faultsOf(() => configOf({ dbURL: 'postgres://h/d' } as object))[0] ?? '',
    /"dbURL" is no option/,
  )
  assert.match(faultsOf(() => configOf(JSON.parse('{"__proto__": 1}')))[0] ?? '', /"__proto__" is no option/)
  for (const options of [null, 'postgres://h/d', 5, []] as unknown[])
    assert.match(faultsOf(() => new OpenFIGIClient(options as object))[0] ?? '', /must be an object/)
  const faults = faultsOf(
    () =>
      new OpenFIGIClient({
        maxKept: -1,
        timeoutMs: -1,
        apiKey: {},
        dbUrl: `x${secret}`,
        nothing: 1,
      } as object),
  )
  assert.is(faults.length, 5)
  assert.not.match(faults.join(), new RegExp(secret))
})

test.run()
