/** What axe-core finds on a page. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults, RunOptions } from 'axe-core'
import type { Page } from 'playwright-core'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const desk = { width: 1280, height: 800 }
const phone = { width: 390, height: 844 }
export const looks = [
  { colorScheme: 'light', viewport: desk },
  { colorScheme: 'dark', viewport: phone },
  { colorScheme: 'light', viewport: phone },
  { colorScheme: 'dark', viewport: desk },
] as const

/** The rules that depend on colours and sizes; all others look at the document alone. */
const visual = ['color-contrast', 'scrollable-region-focusable', 'target-size', 'link-in-text-block']

/**
 * One line a finding, in light and dark, at the desk and on a phone; also where the page is wider than the screen. The
 * rules that look at the document alone are tried in the first of the four.
 */
export async function findings(page: Page): Promise<string[]> {
  await page.evaluate(source) // past the page's policy, which would not let the page load it
  const found: string[] = []
  for (const [place, { colorScheme, viewport }] of looks.entries()) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize(viewport)
    const where = `${page.url()} ${colorScheme} ${viewport.width}`
    const width = await page.evaluate<number>('document.documentElement.scrollWidth')
    if (width > viewport.width) found.push(`${where}: ${width} wide`)
    const options: RunOptions = {
      resultTypes: ['violations'],
      preload: false,
      ...(place > 0 ? { runOnly: visual } : {}),
    }
    const { violations } = await page.evaluate<AxeResults>(`axe.run(${JSON.stringify(options)})`)
    for (const { id, help, nodes } of violations) {
      found.push(`${where}: ${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 200)).join(' ')}`)
    }
  }
  return found
}
