import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withPage } from '../http/pages.ts'
import { packageRoot } from '../support/cluster.ts'
import { withDatabase } from '../support/database.ts'
import { readAlerts } from './alerts.ts'
import { metricNames } from './metric_names.ts'
import { withPromtool } from './promtool.ts'

const test = suite('alerts and the dashboard')
const docs = join(packageRoot, 'docs')

interface Panel {
  readonly title: string
  readonly type: string
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[]
}

async function readDashboard() {
  const text = await readFile(join(docs, 'grafana', 'pgfigi.json'), 'utf8')
  return JSON.parse(text) as {
    readonly panels: readonly Panel[]
    readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] }
  }
}

const expressionsOf = (panels: readonly Panel[]) =>
  panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

test('the rules are right, and each alert fires and clears', () =>
  withPromtool(async (_, run) => {
    const rules = (await readAlerts()).length
    assert.match(await run(['check', 'rules', 'alerts.yml']), `SUCCESS: ${rules} rules found`)
    assert.match(await run(['test', 'rules', 'alerts.test.yml']), 'SUCCESS')
  }))

test('an alert that does not fire is found', () =>
  withPromtool(async (folder, run) => {
    const change = async (name: string, from: RegExp | string, to: string) => {
      const file = join(folder, name)
      const text = await readFile(file, 'utf8')
      const changed = text.replace(from, to)
      assert.is.not(changed, text)
      await writeFile(file, changed)
    }
    await change('alerts.test.yml', /^ {2}- name: laws$[\s\S]*(?=^ {2}- name: bloat$)/m, '') // to be quick
    await change('alerts.yml', '{check="bloat"} == 2', '{check="bloat"} == 3')
    assert.match(await run(['test', 'rules', 'alerts.test.yml']).catch(String), /FAILED[\s\S]*PgfigiBloat/)
  }))

test('each alert is tried', async () => {
  const tried = await readFile(join(docs, 'prometheus', 'alerts.test.yml'), 'utf8')
  for (const { name, severity } of await readAlerts()) {
    const fires = `'{alertname="${name}", severity="${severity}"}'`
    assert.ok(tried.includes(fires), `alerts.test.yml expects ${fires} nowhere`)
  }
})

test('the example of a configuration is right', () =>
  withPromtool(async (folder, run) => {
    await writeFile(join(folder, 'pgfigi_page_token'), 'token')
    assert.match(await run(['check', 'config', 'prometheus.yml']), 'is valid prometheus config file')
  }))

test('alerts and panels name only what /metrics shows', async () => {
  const exported = await metricNames()
  const { panels } = await readDashboard()
  const expressions = [...(await readAlerts()).map(({ expression }) => expression), ...expressionsOf(panels)]
  assert.ok(expressions.length > 60)
  for (const expression of expressions) {
    for (const [name] of expression.matchAll(/\bpgfigi_\w+/g)) {
      assert.ok(exported.has(name), `${name}, of ${expression}, is not exported`)
    }
  }
})

test('what /metrics shows is as Prometheus wants it', () =>
  withPromtool(async (_folder, run) =>
    withDatabase(async ({ url }) =>
      withPage({ url }, async ({ ask }) => {
        const { text } = await ask('/metrics')
        assert.match(text, 'pgfigi_database_up 1')
        assert.is(await run(['check', 'metrics'], text), '')
      }),
    ),
  ))

test('the dashboard shows every counter and gauge of pgfigi', async () => {
  const shown = expressionsOf((await readDashboard()).panels).join('\n')
  const ofProcess = /^pgfigi_(process|nodejs)_/
  for (const name of await metricNames()) {
    if (ofProcess.test(name) || name === 'pgfigi_health_check_value') continue
    assert.match(shown, new RegExp(`\\b${name}\\b`), `no panel shows ${name}`)
  }
})

test('every query of the dashboard can be parsed', () =>
  withPromtool(async (folder, run) => {
    const { panels } = await readDashboard()
    const rules = expressionsOf(panels).map((expression, index) => {
      const filled = expression.replaceAll('$__rate_interval', '5m').replaceAll(/\$(job|instance)/g, 'x')
      return `      - record: panel:${index}\n        expr: ${JSON.stringify(filled)}`
    })
    await writeFile(
      join(folder, 'panels.yml'),
      `groups:\n  - name: panels\n    rules:\n${rules.join('\n')}\n`,
    )
    assert.match(await run(['check', 'rules', 'panels.yml']), `SUCCESS: ${rules.length} rules found`)
  }))

test('the dashboard asks which data source it is to read', async () => {
  const { panels, templating } = await readDashboard()
  assert.equal(
    templating.list.map(({ name, type }) => [name, type]),
    [
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['instance', 'query'],
    ],
  )
  for (const { type, datasource, targets = [] } of panels) {
    if (type === 'row') continue
    for (const uid of [datasource?.uid, ...targets.map((target) => target.datasource.uid)]) {
      assert.is(uid, ['$', '{datasource}'].join(''))
    }
  }
})

test.run()
