// runs alone: it makes roles, which all databases of a cluster share
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase } from '../support/database.ts'
import { grantScript } from '../support/login_role.ts'
import { withAdmin } from '../support/template.ts'
import { withPage } from './pages.ts'

const apple = { identifier_type: 'CUSIP', identifier_value: '037833100' }
const token = 'token-of-a-test'
const headers = { authorization: `Bearer ${token}` }

test('a role of the monitors reads everything on the page, and one of the workers may press its buttons', async () => {
  const users = {
    pgfigi_monitor: `pgfigi_test_page_${process.pid}`,
    pgfigi_worker: `pgfigi_test_act_${process.pid}`,
  }
  try {
    await withDatabase(async ({ sql, url }) => {
      await sql.unsafe(grantScript)
      await sql`select public.upsert_mapping('CUSIP', ${apple.identifier_value}, 'AAPL')`
      for (const [role, user] of Object.entries(users)) {
        await sql.unsafe(`create role ${user} login password 'secret' in role ${role}`)
        const own = Object.assign(new URL(url), { username: user, password: 'secret' }).href
        await withPage({ url: own, token, allowActions: true }, async ({ ask }) => {
          for (const path of [
            '/',
            '/search?q=037833100',
            '/search?q=AAPL',
            '/changes',
            '/negatives',
            '/requests',
            '/work',
          ]) {
            const { status, text } = await ask(path, { headers })
            assert.is(status, 200, `${role} ${path} ${text}`)
          }
          const { text } = await ask('/metrics', { headers })
          assert.match(text, 'pgfigi_database_up 1')
          assert.match(text, 'pgfigi_mappings{kind="found"} 1')
          const act = await ask('/api/v1/actions/fetch', { headers, json: apple })
          if (role === 'pgfigi_worker') assert.is(act.status, 200, act.text)
          else assert.match(act.json.error, 'lacks a right')
        })
      }
      const actions = await sql`select who from figi_private.actions`
      assert.is(actions.length, 1)
    })
  } finally {
    for (const user of Object.values(users)) await withAdmin((sql) => sql`drop role if exists ${sql(user)}`)
  }
})

test('what a role may not read is told as such, and hides nothing else', async () => {
  const user = `pgfigi_test_poor_${process.pid}`
  try {
    await withDatabase(async ({ sql, url }) => {
      await sql.unsafe(grantScript)
      await sql.unsafe(`create role ${user} login password 'secret' in role pgfigi_monitor`)
      const own = Object.assign(new URL(url), { username: user, password: 'secret' }).href
      const refuse = (name: string) =>
        sql.unsafe(`revoke execute on function ${name} from public, pgfigi_monitor`)
      await refuse('figi_private.gauges()')
      await withPage({ url: own }, async ({ ask }) => {
        const { text } = await ask('/metrics')
        assert.match(text, 'pgfigi_database_up 1')
        assert.match(text, '# TYPE pgfigi_lookups_total counter')
        assert.match(text, 'pgfigi_health_check_status{check="laws"} 0')
        const front = await ask('/')
        assert.is(front.status, 200)
        assert.match(front.text, 'id="check-laws"')
        assert.match(front.text, 'lacks a right')
        assert.match(front.text, 'class="chart')
      })
      await refuse('public.health_checks(boolean, text)')
      await withPage({ url: own }, async ({ ask }) => {
        const { checks } = (await ask('/readyz')).json
        assert.equal([checks.length, checks[0].name], [1, 'rights'])
        assert.match(checks[0].sentence, 'lacks a right')
        assert.match((await ask('/metrics')).text, 'pgfigi_database_up 1')
        assert.match((await ask('/')).text, 'href="/runbooks/page"')
      })
    })
    await withPage({}, async ({ ask }) => {
      assert.match((await ask('/')).text, 'href="/runbooks/database"')
      assert.match((await ask('/metrics')).text, 'pgfigi_database_up 0')
    })
  } finally {
    await withAdmin((sql) => sql`drop role if exists ${sql(user)}`)
  }
})

test.run()
