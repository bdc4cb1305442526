import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase } from '../support/database.ts'
import { withPage } from './pages.ts'

const test = suite('the buttons of the page')

const apple = { identifier_type: 'CUSIP', identifier_value: '037833100' }
const token = 'token-of-a-test'
const bearer = { authorization: `Bearer ${token}` }

test('do nothing unless that was allowed, and are not shown', () =>
  withDatabase(async ({ url, sql }) => {
    await withPage({ url, token }, async ({ ask }) => {
      const { status, json } = await ask('/api/v1/actions/fetch', { headers: bearer, json: apple })
      assert.is(status, 403)
      assert.match(json.error, '--allow-actions')
      const page = await ask(`/search?q=${apple.identifier_value}`, { headers: bearer })
      assert.not.match(page.text, '/actions/')
    })
    assert.is((await sql`select from figi_private.actions`).length, 0)
  }))

test('ask for a fetch, say what came of it, and note who did it and from where', () =>
  withDatabase(async ({ url, sql }) => {
    await withPage({ url, allowActions: true }, async ({ ask, csrfOf }) => {
      const back = `/search?q=${apple.identifier_value}`
      const form = { ...apple, back, csrf: await csrfOf(back) }
      const pressed = await ask('/actions/fetch', { form })
      assert.equal([pressed.status, pressed.headers.location], [303, back])
      const page = await ask(back)
      assert.match(page.text, 'CUSIP 037833100 is fetched again.')
      assert.not.match((await ask(back)).text, 'is fetched again.', 'it is said once')
      const elsewhere = await ask('/actions/fetch', { form: { ...form, back: 'https://evil.example' } })
      assert.is(elsewhere.headers.location, '/')
      const wrong = await ask('/actions/fetch', { form: { ...form, identifier_value: '037833109' } })
      assert.is(wrong.status, 400)
    })
    const requests = await sql`select identifier_value, priority from figi_private.fetch_requests`
    assert.equal(
      [...new Set(requests.map((row) => JSON.stringify(row)))],
      ['{"identifier_value":"037833100","priority":0}'],
    )
    const actions = await sql`select who, address, action, subject from figi_private.actions`
    assert.is(actions.length, 2)
    assert.equal(
      { ...actions[0] },
      { who: 'loopback', address: '127.0.0.1', action: 'fetch', subject: 'CUSIP 037833100' },
    )
  }))

test('work for programs by a bearer token, one by one and all at once', () =>
  withDatabase(async ({ url, sql }) => {
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, attempts, gave_up_at)
      select 'CUSIP', value, 0, 4, now() - interval '5 minutes'
      from unnest(array['037833100', '594918104', '023135106']) value`
    await withPage({ url, token, allowActions: true }, async ({ ask }) => {
      const act = async (name: string, json: unknown) => {
        const { status, json: answer } = await ask(`/api/v1/actions/${name}`, { headers: bearer, json })
        assert.is(status, 200, JSON.stringify(answer))
        return answer.outcome
      }
      assert.match(await act('retry', apple), 'CUSIP 037833100 waits again.')
      assert.match(await act('retry-all', {}), '2 requests wait again.')
      assert.match(await act('unlock', {}), 'No job is held by a dead worker.')
      const path = '/api/v1/actions/unlock'
      const typed = { ...bearer, 'content-type': 'application/json' }
      for (const headers of [bearer, typed])
        assert.is((await ask(path, { method: 'POST', headers, body: '' })).status, 200, 'it needs no body')
      const empty = await ask('/api/v1/actions/fetch', { method: 'POST', headers: typed, body: '' })
      assert.is(empty.status, 400)
      assert.match(empty.json.error, 'The body is empty')
      const { actions } = (await ask('/api/v1/actions', { headers: bearer })).json
      assert.equal(
        actions.map(({ who, action }: { who: string; action: string }) => `${who} ${action}`),
        ['token unlock', 'token unlock', 'token unlock', 'token retry_all', 'token retry'],
      )
      const waiting = (await ask('/api/v1/requests', { headers: bearer })).json.requests
      assert.is(waiting.length, 3)
    })
  }))

test('alone may write: what reads cannot, and has little time for each statement', () =>
  withDatabase(async ({ url, sql }) => {
    const { PageDatabase } = await import('../../src/http/page_database.ts')
    const { silentLogger } = await import('../../src/log.ts')
    await using database = new PageDatabase({
      url,
      readUrl: undefined,
      maxReplicaLagSeconds: 30,
      prepare: true,
      logger: silentLogger,
    })
    const write = (way: 'read' | 'readPrimary' | 'act') =>
      database[way]((transaction) =>
        transaction`delete from figi_private.actions`.then(() => 'written'),
      ).catch((error) => error.code)
    assert.equal(
      [await write('read'), await write('readPrimary'), await write('act')],
      ['25006', '25006', 'written'],
    )
    // As the functions of src/database do, which wait for their queries within.
    const limits = await database.read(async (transaction) => {
      const [row] = await transaction`
        select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock`
      return { ...row }
    })
    assert.equal(limits, { statement: '3s', lock: '250ms' })
    assert.is(
      (
        await sql`select from pg_stat_activity where application_name = 'pgfigi page' and datname = current_database()`
      ).length,
      1,
    )
  }))

test.run()
