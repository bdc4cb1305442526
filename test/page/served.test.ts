import pino from 'pino'
import type { Locator, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { startPage } from '../../src/http/running_page.ts'
import { closeBrowser, stopClock, type Visit, withPage } from '../support/browser.ts'
import { testKey } from '../support/canaries.ts'
import { forkProgram } from '../support/child.ts'
import { withDatabase } from '../support/database.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

const test = suite('the served page in a browser')

const apple = '037833100'
const password = 'open sesame, page'

/** Fetches at once: a worker, a page with buttons and a password, and OpenFIGI as the simulator has it. */
async function withServedPage(
  work: (served: { url: string; sim: Simulator }) => Promise<void>,
): Promise<void> {
  await withSimulator({ limit: { requests: 1000, windowMs: 1000 } }, (sim) =>
    withDatabase(async ({ url }) => {
      const environment = { DATABASE_URL: url, OPENFIGI_API_URL: sim.url, OPENFIGI_API_KEY: testKey }
      await using worker = await forkProgram('worker_process.ts', {}, environment)
      const config = parseConfig({ PGFIGI_PAGE_PORT: '0', PGFIGI_PAGE_PASSWORD: password })
      await using page = await startPage(config, url, {
        allowActions: true,
        logger: pino({ level: 'silent' }),
      })
      await work({ url: page.url, sim })
      await worker.end('SIGTERM')
    }),
  )
}

async function logIn(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/changes`)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.waitForURL(`${url}/changes`)
}

async function lookUp(page: Page, text: string): Promise<void> {
  await page.getByLabel('CUSIP, ISIN or ticker').fill(text)
  await page.getByRole('button', { name: 'Look up' }).click()
  await page.waitForURL(`**/search?q=${text}`)
}

/** Lets the page fetch itself anew until the ticker is there. */
async function appears({ page }: Visit, ticker: string): Promise<void> {
  await comes(page, page.locator('.big', { hasText: ticker }), () => page.clock.runFor(5000))
}

/** Does it again, several times a second, until that is there. */
async function comes(page: Page, awaited: Locator, again: () => Promise<unknown>): Promise<void> {
  const isThere = async () => {
    await again()
    return awaited.waitFor({ timeout: 200 }).then(
      () => true,
      () => false,
    )
  }
  await until(`${awaited}`, isThere).catch(async ({ message }) => {
    throw new Error(`${message}: ${await page.locator('main').textContent()}`)
  })
}

test('an identifier is looked up, fetched, and renamed; what comes of it appears by itself', () =>
  withPage('the served page', {}, (visit) =>
    withServedPage(async ({ url, sim }) => {
      const { page, complaints } = visit
      await stopClock(page)
      await logIn(page, url)
      await lookUp(page, apple)
      await page.getByText('Nothing is known yet').waitFor()
      await page.getByRole('button', { name: 'Fetch' }).click()
      await page.locator('.notice').waitFor()
      await appears(visit, 'AAPL')

      sim.rename(apple, 'PEAR')
      await page.getByRole('button', { name: 'Fetch again' }).click()
      await page.locator('.notice').waitFor()
      await appears(visit, 'PEAR')
      assert.equal(await page.locator('.timeline .ticker').allTextContents(), ['PEAR', 'AAPL'])
      assert.equal(await page.locator('#periods tbody th').allTextContents(), ['PEAR', 'AAPL'])

      await page.getByRole('link', { name: 'Changes' }).click()
      await page.locator('#changes tbody tr', { hasText: 'Renamed' }).waitFor()
      await lookUp(page, 'AAPL')
      await page.getByRole('heading', { name: 'Bore it once' }).waitFor()
      for (const name of ['Overview', 'Negatives', 'Requests', 'Work']) {
        await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click()
        await page.getByRole('heading', { name, level: 1 }).waitFor()
      }
      assert.equal(await page.locator('#actions tbody th').allTextContents(), ['Fetch', 'Fetch'])
      await comes(page, page.locator('#processes tbody th', { hasText: 'Worker' }), () =>
        page.clock.runFor(5000),
      )
      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByLabel('Password').waitFor()
      assert.equal(complaints, [])
      await withPage('the served page without JavaScript', { javaScriptEnabled: false }, (plain) =>
        withoutJavaScript(plain, url, sim),
      )
    }),
  ))

async function withoutJavaScript({ page, complaints }: Visit, url: string, sim: Simulator): Promise<void> {
  await logIn(page, url)
  await lookUp(page, apple)
  sim.rename(apple, 'PLUM')
  await page.getByRole('button', { name: 'Fetch again' }).click()
  await page.locator('.notice').waitFor()
  await comes(page, page.locator('.big', { hasText: 'PLUM' }), () => page.reload())
  assert.equal(await page.locator('.timeline .ticker').allTextContents(), ['PLUM', 'PEAR', 'AAPL'])
  assert.equal(complaints, [])
}

test.after(closeBrowser)
test.run()
