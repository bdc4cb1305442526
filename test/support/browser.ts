/** A real headless Chromium for tests of the page: CHROMIUM_PATH, else Debian's. */
import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core'
import { until } from './until.ts'

const executablePath = process.env.CHROMIUM_PATH || '/usr/bin/chromium'

const quiet = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/** A browser that starts beside three other tests takes its time. */
const patienceMs = 60_000

export interface Visit {
  readonly page: Page
  /** Errors and warnings of the console, violations of the page's policy, and what was asked of another host. */
  readonly complaints: readonly string[]
}

let opened: Promise<Browser> | undefined

function openBrowser(): Promise<Browser> {
  const args = process.getuid?.() === 0 ? [...quiet, '--no-sandbox'] : quiet
  opened ??= chromium.launch({ executablePath, args, timeout: patienceMs })
  return opened
}

/** Runs `work` with a page of its own in the one browser of this process; says SKIPPED where there is none. */
export async function withPage(
  what: string,
  options: BrowserContextOptions,
  work: (visit: Visit) => Promise<void>,
): Promise<void> {
  if (!existsSync(executablePath)) return console.log(`SKIPPED: ${what} (there is no ${executablePath})`)
  const browser = await openBrowser()
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  context.setDefaultTimeout(patienceMs)
  const complaints: string[] = []
  const page = await context.newPage()
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`))
  page.on('dialog', (dialog) => complaints.push(`${page.url()} said ${dialog.message()}`))
  page.on('request', (request) => {
    const { hostname, href } = new URL(request.url())
    if (hostname !== '127.0.0.1') complaints.push(`${page.url()} asked for ${href}`)
  })
  try {
    await work({ page, complaints })
  } finally {
    await context.close()
  }
}

/**
 * Stops the page's own clock but for `page.clock.runFor`: else it would fetch itself anew wherever the machine takes five seconds
 * for anything.
 */
export async function stopClock(page: Page): Promise<void> {
  await page.clock.install({ time: '2026-11-22T17:00:00Z' })
  await page.clock.pauseAt('2026-11-22T17:41:00Z')
}

/** Waits until the answer to a round is shown, for which htmx takes some milliseconds of the stopped clock, too. */
export async function shows(page: Page, shown: Locator): Promise<void> {
  await until(String(shown), async () => {
    // However long the machine takes for it, that is less than the time until the next round.
    await page.clock.runFor(2)
    return (await shown.count()) > 0
  })
}

/** After the last test of a file. Cannot fail: a browser that is gone is closed. */
export async function closeBrowser(): Promise<void> {
  await opened?.then((browser) => browser.close()).catch(() => {})
}
