import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { searchPage } from '../../src/http/views/search.ts'
import { findings } from '../support/axe.ts'
import { closeBrowser, withPage } from '../support/browser.ts'
import { examplePages } from '../support/example_pages.ts'
import { frame, hostileIdentifier, hostileTexts } from '../support/page_examples.ts'
import { startPageServer } from '../support/page_server.ts'
import { until } from '../support/until.ts'

const test = suite('the page in a browser')

const examples = (path: string) => examplePages.get(path)?.(frame(path)) ?? null

test('axe finds nothing on any page, light or dark, at the desk or on a phone, and no page complains', () =>
  withPage('axe on every page', {}, async ({ page, complaints }) => {
    await using server = await startPageServer(examples)
    const found: string[] = []
    for (const path of examplePages.keys()) {
      await page.goto(server.url + path)
      found.push(...(await findings(page)))
    }
    assert.equal(found, [])
    assert.equal(complaints, [])
  }))

test('draws the figures of its tables', () =>
  withPage('the charts', {}, async ({ page, complaints }) => {
    await using server = await startPageServer(examples)
    await page.goto(server.url)
    await page.locator('#chart-growth canvas').waitFor()
    const colours = await page.evaluate<number[]>(`
      [...document.querySelectorAll('canvas')].map((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
        return new Set(new Uint32Array(data.buffer)).size
      })`)
    assert.is(colours.length, 4)
    assert.ok(
      colours.every((each) => each > 4),
      String(colours),
    )
    const words = page.locator('#chart-lookups .unit')
    await page.locator('#chart-lookups .u-over').hover({ position: { x: 40, y: 40 } })
    await words.filter({ hasText: /^2026-11-2\d \d\d:\d1 UTC$/ }).waitFor()
    await page.mouse.move(2, 2)
    await words.filter({ hasText: 'lookups per 10 minutes' }).waitFor()
    assert.equal(complaints, [])
  }))

test('shows hostile texts as text, and no wider than a phone', () =>
  withPage('hostile texts', { viewport: { width: 390, height: 844 } }, async ({ page, complaints }) => {
    await using server = await startPageServer((path) => {
      const text = hostileTexts[Number(path.slice(1))]
      if (text === undefined) return null
      const found = { kind: 'identifier', identifier: hostileIdentifier(text) } as const
      return searchPage({ query: text, found, message: text }, frame(path, { notice: text, user: text }))
    })
    for (const [place, text] of hostileTexts.entries()) {
      await page.goto(`${server.url}/${place}`)
      const seen = await page.evaluate(`({
        width: document.documentElement.scrollWidth,
        scripts: [...document.scripts].filter((script) => !script.src).length,
        images: document.images.length,
        tables: document.querySelectorAll('main table').length,
        name: document.querySelector('.name').textContent.slice(0, 10),
      })`)
      const name = text.startsWith('\u202e') ? '[U+202E]gn' : text.startsWith('\ud800') ? '\ufffd' : text
      const expected = { width: 390, scripts: 0, images: 0, tables: 2, name: name.slice(0, 10) }
      if (name === '\ufffd') Object.assign(expected, { name: '\ufffd half a p' })
      assert.equal(seen, expected)
    }
    assert.equal(complaints, [])
  }))

test('works with JavaScript off: pages, tables, a search, a button', () =>
  withPage('the page without JavaScript', { javaScriptEnabled: false }, async ({ page, complaints }) => {
    await using server = await startPageServer(examples)
    await page.goto(server.url)
    assert.not.ok(await page.locator('#pause').isVisible())
    await page.locator('#chart-lookups summary').click()
    assert.ok(await page.locator('#chart-lookups tbody tr').first().isVisible())
    await page.getByLabel('CUSIP, ISIN or ticker').fill('30303M102')
    await page.getByRole('button', { name: 'Look up' }).click()
    await page.locator('h1', { hasText: 'CUSIP 30303M102' }).waitFor()
    await page.getByRole('button', { name: 'Fetch again' }).click()
    await until('it is posted', () => server.posted.length > 0)
    await page.waitForURL('**/search?q=30303M102')
    assert.equal(server.posted, [
      '/actions/fetch csrf=a-token&back=%2Fsearch%3Fq%3D30303M102&identifier_type=CUSIP&identifier_value=30303M102',
    ])
    assert.equal(complaints, [])
  }))

test('keeps the colours that somebody has chosen', () =>
  withPage('the choice of colours', { colorScheme: 'light' }, async ({ page }) => {
    await using server = await startPageServer(examples)
    const background = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    await page.goto(`${server.url}/changes`)
    const light = await background()
    await page.getByLabel('Colours').selectOption('dark')
    const dark = await background()
    assert.is.not(dark, light)
    await page.reload()
    assert.is(await background(), dark)
  }))

test.after(closeBrowser)
test.run()
