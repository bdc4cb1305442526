import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { placeOf as placeOfDatabase } from '../../src/cli/service.ts'
import { configOf } from '../../src/client_options.ts'
import { parseConfig, parseRateLimit, readEnvironment } from '../../src/config.ts'
import type { OpenDatabase } from '../../src/database/open.ts'
import { addressOf, placeOf, serverUrls } from '../../src/database/server_urls.ts'
import { ConfigError } from '../../src/errors/config_error.ts'
import { InvalidSettingError } from '../../src/errors/invalid_setting_error.ts'

const test = suite('the settings')

function faultsOf(work: () => unknown): readonly string[] {
  try {
    work()
  } catch (error) {
    assert.instance(error, ConfigError)
    return (error as ConfigError).faults
  }
  throw new Error('nothing was wrong with it')
}

async function withFolder(work: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'settings-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test('need nothing', () => {
  const config = parseConfig({})
  assert.is(config.databaseUrl, undefined)
  assert.is(config.apiKey, undefined)
  assert.is(config.apiUrl.href, 'https://api.openfigi.com/')
  assert.is(config.cacheMaxAgeDays, undefined, 'the database has its own setting')
  assert.is(config.autoRefreshStale, false)
  assert.equal(config.rateLimit, { capacity: 25, windowMs: 70_000 })
  assert.is(config.jobsPerRequest, 10)
  assert.is(config.timeoutMs, 30_000)
  assert.match(config.home, /\.pgfigi$/)
})

test('are more generous with a key', () => {
  const config = parseConfig({ OPENFIGI_API_KEY: 'key' })
  assert.equal(config.rateLimit, { capacity: 25, windowMs: 7000 })
  assert.is(config.jobsPerRequest, 100)
})

test('that are empty or blank count as unset', () => {
  const empty = {
    DATABASE_URL: '',
    OPENFIGI_API_KEY: ' ',
    OPENFIGI_RATE_LIMIT: '',
    OPENFIGI_JOBS_PER_REQUEST: '',
  }
  assert.equal(parseConfig(empty), parseConfig({}))
})

test('that cannot be used are named all at once, without quoting a secret', () => {
  const faults = faultsOf(() =>
    parseConfig({
      DATABASE_URL: 'mysql://somebody:canary@host/database',
      DATABASE_READ_URL: 'canary',
      OPENFIGI_API_KEY: 'canary with a blank',
      OPENFIGI_API_URL: 'http://example.com',
      OPENFIGI_CACHE_MAX_AGE_DAYS: '-1',
      OPENFIGI_AUTO_REFRESH_STALE: 'maybe',
      OPENFIGI_RATE_LIMIT: '25',
      OPENFIGI_JOBS_PER_REQUEST: '101',
      OPENFIGI_LISTING_PREFERENCE: '?',
      OPENFIGI_TIMEOUT_MS: '0',
      PGFIGI_PAGE_HOST: 'http://canary',
      PGFIGI_PAGE_PORT: '65536',
      PGFIGI_PAGE_PASSWORD: 'canary',
      PGFIGI_PAGE_TOKEN: 'canary with blanks',
      LOG_LEVEL: 'loud',
    }),
  )
  assert.equal(faults.map((fault) => fault.split(' ')[0]).sort(), [
    'DATABASE_READ_URL',
    'DATABASE_URL',
    'LOG_LEVEL',
    'OPENFIGI_API_KEY',
    'OPENFIGI_API_URL',
    'OPENFIGI_AUTO_REFRESH_STALE',
    'OPENFIGI_CACHE_MAX_AGE_DAYS',
    'OPENFIGI_JOBS_PER_REQUEST',
    'OPENFIGI_LISTING_PREFERENCE',
    'OPENFIGI_RATE_LIMIT',
    'OPENFIGI_TIMEOUT_MS',
    'PGFIGI_PAGE_HOST',
    'PGFIGI_PAGE_PASSWORD',
    'PGFIGI_PAGE_PORT',
    'PGFIGI_PAGE_TOKEN',
  ])
  assert.ok(
    faults.every((fault) => !fault.includes('canary') && fault.length > 30),
    faults.join('\n'),
  )
})

test('of a client are named all at once, too', () => {
  const faults = faultsOf(() =>
    configOf({
      dbUrl: 'nonsense',
      rateLimit: '0/1s',
      jobsPerRequest: 1.5,
      cacheMaxAgeDays: Number.NaN,
      timeoutMs: -1,
    }),
  )
  assert.is(faults.length, 5, faults.join('\n'))
})

test('read true and false in the usual ways', () => {
  const read = (text: string) => parseConfig({ OPENFIGI_AUTO_REFRESH_STALE: text }).autoRefreshStale
  assert.equal(['true', 'TRUE', '1', 'yes', 'on'].map(read), Array(5).fill(true))
  assert.equal(['false', '0', 'No', 'off', ''].map(read), Array(5).fill(false))
})

test('read an age of any number of days, zero and parts included', () => {
  const read = (text: string) => parseConfig({ OPENFIGI_CACHE_MAX_AGE_DAYS: text }).cacheMaxAgeDays
  assert.equal(['0', '0.5', '60', '36500'].map(read), [0, 0.5, 60, 36_500])
  for (const wrong of ['-1', '1e3', '36501', 'sixty', 'Infinity', '1,5'])
    assert.is(faultsOf(() => read(wrong)).length, 1)
})

test('read a rate limit as requests and window', () => {
  assert.equal(parseRateLimit('25/7s'), { capacity: 25, windowMs: 7000 })
  assert.equal(parseRateLimit('25/1400ms'), { capacity: 25, windowMs: 1400 })
  assert.equal(parseRateLimit(' 1 / 1 m '), { capacity: 1, windowMs: 60_000 })
  for (const wrong of [
    '25',
    '25/',
    '/7s',
    '0/7s',
    '25/0s',
    '1001/7s',
    '25/2h',
    '25/61m',
    '-1/7s',
    '2.5/7s',
    '25/7s x',
  ]) {
    try {
      parseRateLimit(wrong)
      throw new Error(`${wrong} was taken`)
    } catch (error) {
      assert.instance(error, InvalidSettingError, (error as Error).message)
    }
  }
})

test('take the options of a client before the environment', () => {
  process.env.OPENFIGI_RATE_LIMIT = '3/3s'
  process.env.OPENFIGI_JOBS_PER_REQUEST = '7'
  try {
    const config = configOf({ rateLimit: '5/5s', apiKey: undefined })
    assert.equal(config.rateLimit, { capacity: 5, windowMs: 5000 })
    assert.is(config.jobsPerRequest, 7)
  } finally {
    delete process.env.OPENFIGI_RATE_LIMIT
    delete process.env.OPENFIGI_JOBS_PER_REQUEST
  }
})

test('come from .env, which never overrides what is set', () =>
  withFolder(async (folder) => {
    await writeFile(
      join(folder, '.env'),
      'OPENFIGI_API_KEY=from-file\nOPENFIGI_TIMEOUT_MS="1234"\n# LOG_LEVEL=error\n',
    )
    const read = (environment: Record<string, string>) => parseConfig(readEnvironment(folder, environment))
    assert.is(read({}).apiKey, 'from-file')
    assert.is(read({}).timeoutMs, 1234)
    assert.is(read({}).logLevel, 'info')
    assert.is(read({ OPENFIGI_API_KEY: 'set' }).apiKey, 'set')
    assert.is(read({ OPENFIGI_API_KEY: '' }).apiKey, undefined, 'set to nothing is set')
    assert.is(process.env.OPENFIGI_API_KEY, undefined, 'and the environment stays as it is')
  }))

test('say so where .env cannot be read, and need none', () =>
  withFolder(async (folder) => {
    assert.equal(readEnvironment(folder, {}), {})
    await mkdir(join(folder, '.env'))
    assert.match(faultsOf(() => readEnvironment(folder, {}))[0] ?? '', /^\.env cannot be read/)
  }))

test('of the pools come from the environment, and the options go first', () => {
  const { client, databaseDirectUrl } = configOf({
    maxConnections: 3,
    prepare: false,
    cacheInProcess: 1000,
    dbDirectUrl: 'postgres://direct/db',
  })
  assert.equal(client, {
    maxConnections: 3,
    idleTimeoutSeconds: 30,
    connectionLifetimeSeconds: undefined,
    prepare: false,
    queryTimeoutMs: 10_000,
    cacheInProcess: 1000,
    maxReplicaLagSeconds: 30,
  })
  assert.is(databaseDirectUrl, 'postgres://direct/db')
  const environment = {
    PGFIGI_MAX_CONNECTIONS: '4',
    PGFIGI_IDLE_TIMEOUT_SECONDS: '0',
    PGFIGI_CONNECTION_LIFETIME_SECONDS: '600',
    PGFIGI_PREPARE: 'false',
    PGFIGI_QUERY_TIMEOUT_MS: '500',
    PGFIGI_CACHE_IN_PROCESS: '5',
    PGFIGI_MAX_REPLICA_LAG_SECONDS: '7',
  }
  assert.equal(Object.values(parseConfig(environment).client), [4, 0, 600, false, 500, 5, 7])
  const faults = faultsOf(() => parseConfig({ PGFIGI_MAX_CONNECTIONS: '0', PGFIGI_PREPARE: 'perhaps' }))
  assert.equal(faults.length, 2)
})

test('of the page listen on this machine alone, unless they say otherwise', () => {
  assert.equal(parseConfig({}).page, {
    host: '127.0.0.1',
    port: undefined,
    password: undefined,
    token: undefined,
  })
  const environment = {
    PGFIGI_PAGE_HOST: '::',
    PGFIGI_PAGE_PORT: '0',
    PGFIGI_PAGE_PASSWORD: 'twelve chars',
    PGFIGI_PAGE_TOKEN: 'twelve-chars',
  }
  assert.equal(Object.values(parseConfig(environment).page), ['::', 0, 'twelve chars', 'twelve-chars'])
})

test('may name several servers, of which the one that takes writes is meant', () => {
  const url = 'postgres://user:a%2Cb@one:5433,two:5434/db?target_session_attrs=read-write'
  assert.is(parseConfig({ DATABASE_URL: url }).databaseUrl, url)
  assert.equal(serverUrls(url), {
    urls: ['postgres://user:a%2Cb@one:5433/db', 'postgres://user:a%2Cb@two:5434/db'],
    wanted: 'read-write',
  })
  assert.equal(
    serverUrls('postgres://u:p@[::1]:1,two/db?sslmode=require&target_session_attrs=standby&x=1').urls,
    ['postgres://u:p@[::1]:1/db?sslmode=require&x=1', 'postgres://u:p@two/db?sslmode=require&x=1'],
  )
  assert.equal(serverUrls('postgres://user:a,b@one/db').urls, ['postgres://user:a,b@one/db'])
  const plain = 'postgres://one,two/db'
  const { databaseUrl, databaseReadUrl } = parseConfig({ DATABASE_URL: plain, DATABASE_READ_URL: plain })
  assert.is(databaseUrl, `${plain}?target_session_attrs=read-write`)
  assert.is(databaseReadUrl, plain)
  assert.is(placeOf(url), 'one:5433,two:5434/db')
  const database = { url, isEmbedded: false } as OpenDatabase
  assert.is(placeOfDatabase(database, parseConfig({})), 'postgres://one:5433,two:5434/db')
})

test('may name a server by its IPv6 address', () => {
  assert.equal(addressOf('postgres://u:p@[::1]:5433/db'), { host: ['::1'], port: [5433] })
  assert.equal(addressOf('postgres://[fe80::1]/db'), { host: ['fe80::1'], port: [5432] })
  for (const url of [
    'postgres://one:5433/db',
    'postgres://127.0.0.1/db',
    'postgres:///db',
    'postgres://one,two/db',
  ])
    assert.equal(addressOf(url), {})
})

test.run()
