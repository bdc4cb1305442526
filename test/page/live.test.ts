import type { Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Health } from '../../src/http/models.ts'
import { overviewPage } from '../../src/http/views/overview.ts'
import { searchPage } from '../../src/http/views/search.ts'
import { closeBrowser, shows, stopClock, withPage } from '../support/browser.ts'
import { charts, frame, meta, overview, sickHealth, wellHealth } from '../support/page_examples.ts'
import { startPageServer } from '../support/page_server.ts'

const test = suite('live updates')

/** What the pages show at the moment; tests change it. */
function stage() {
  let health: Health = wellHealth
  let found = 1000
  let loads = 0
  return {
    get loads() {
      return loads
    },
    sicken: () => (health = sickHealth),
    grow: () => (found += 1),
    render(path: string): string {
      loads++
      const numbers = { ...overview, found_cached: found }
      return path.startsWith('/search')
        ? searchPage(
            { query: 'x', found: { kind: 'identifier', identifier: meta }, message: null },
            frame(path, { csrfToken: `token-${loads}` }),
          )
        : overviewPage({ health, overview: numbers, charts, range: '24h' }, frame(path))
    },
  }
}

const mappings = (page: Page, figure: string) =>
  page.locator('.tile .figure').first().filter({ hasText: figure })

/** The page's own clock goes on by that much. */
const wait = (page: Page, seconds: number) => page.clock.runFor(seconds * 1000)

test('changes what has changed, and leaves focus, typed text, what is unfolded and the scroll alone', () =>
  withPage('live updates', { viewport: { width: 1280, height: 500 } }, async ({ page, complaints }) => {
    const live = stage()
    await using server = await startPageServer(live.render)
    await stopClock(page)
    await page.goto(server.url)
    await mappings(page, '1,000').waitFor()
    await page.locator('#chart-growth canvas').waitFor()
    await page.locator('#chart-lookups summary').click()
    await page.getByLabel('CUSIP, ISIN or ticker').fill('0378')
    await page.getByRole('link', { name: '24 hours', exact: true }).focus()
    await page.evaluate(`
      scrollTo(0, 300)
      document.querySelector('.canvas canvas').isTheOneOfBefore = true`)
    await page.evaluate(`
      globalThis.shifted = 0
      new PerformanceObserver((list) => {
        for (const { value } of list.getEntries()) globalThis.shifted += value
      }).observe({ type: 'layout-shift' })`)
    live.grow()
    await wait(page, 5)
    await shows(page, mappings(page, '1,001'))
    await wait(page, 1) // for the charts to be drawn
    const after = await page.evaluate(`({
      typed: document.getElementById('q').value,
      focus: document.activeElement.textContent,
      scroll: scrollY,
      isOpen: document.querySelector('#chart-lookups details').open,
      canvas: document.querySelector('.canvas canvas').isTheOneOfBefore,
      canvases: document.querySelectorAll('canvas').length,
      shifted: globalThis.shifted,
    })`)
    assert.equal(after, {
      typed: '0378',
      focus: '24 hours',
      scroll: 300,
      isOpen: true,
      canvas: true,
      canvases: 4,
      shifted: 0,
    })
    assert.equal(complaints, [])
  }))

test('keeps the focus on a button while the token of its form is renewed', () =>
  withPage('focus on a button', {}, async ({ page, complaints }) => {
    const live = stage()
    await using server = await startPageServer(live.render)
    await stopClock(page)
    await page.goto(`${server.url}/search?q=x`)
    await page.getByRole('button', { name: 'Fetch again' }).focus()
    await wait(page, 5)
    await shows(page, page.locator('[name=csrf][value=token-2]'))
    assert.match(await page.evaluate<string>('document.activeElement.textContent'), /^Fetch again/)
    assert.equal(complaints, [])
  }))

test('says what has changed in health to who cannot see it', () =>
  withPage('announcements', {}, async ({ page }) => {
    const live = stage()
    await using server = await startPageServer(live.render)
    await stopClock(page)
    await page.goto(server.url)
    live.grow()
    await wait(page, 5)
    await shows(page, mappings(page, '1,001'))
    const announcer = page.getByRole('status')
    assert.is(await announcer.textContent(), '')
    live.sicken()
    await wait(page, 5)
    await shows(page, announcer.filter({ hasText: 'worker seen now fails: No worker was seen' }))
    const said = await announcer.textContent()
    assert.match(said ?? '', /gave up now warns/)
    assert.not.match(said ?? '', /replica/)
  }))

test('stands still while it is paused or out of sight, and says so when nobody answers', () =>
  withPage('pausing', {}, async ({ page }) => {
    const live = stage()
    let isDown = false
    await using server = await startPageServer((path) => (isDown ? null : live.render(path)))
    await stopClock(page)
    await page.goto(server.url)
    const state = (words: string) => page.locator('#live-state', { hasText: words })
    await page.getByRole('button', { name: 'Pause live updates' }).click()
    await state('Paused').waitFor()
    await wait(page, 30)
    assert.is(live.loads, 1)

    live.grow()
    await page.getByRole('button', { name: 'Go on' }).click()
    await shows(page, mappings(page, '1,001'))
    assert.is(live.loads, 2)

    const hide = (isHidden: boolean) =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${isHidden} })
        document.dispatchEvent(new Event('visibilitychange'))`)
    await hide(true)
    await wait(page, 30)
    assert.is(live.loads, 2)
    live.grow()
    await hide(false)
    await shows(page, mappings(page, '1,002'))

    isDown = true
    await wait(page, 5)
    await shows(page, state('No answer'))
    await mappings(page, '1,002').waitFor()
    isDown = false
    await wait(page, 5)
    await shows(page, state('Live'))
  }))

test.after(closeBrowser)
test.run()
