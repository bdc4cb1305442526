import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { Command } from 'commander'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Context } from '../../src/cli/context.ts'
import { packageRoot } from '../support/cluster.ts'
import { blocksOf, type Page, readPages } from './pages.ts'

const test = suite('the documentation')

async function everyPage(): Promise<Page[]> {
  const names = (await readdir(join(packageRoot, 'docs'), { recursive: true })).map((name) =>
    join('docs', name),
  )
  return Promise.all(
    ['README.md', ...names.filter((name) => name.endsWith('.md'))].map(async (path) => ({
      path,
      text: await readFile(join(packageRoot, path), 'utf8'),
    })),
  )
}

/** Where the links of a page lead to, within the package. */
function linksOf({ path, text }: Page): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/\]\(([^)\s#]+)(#[^)]*)?\)/g)].flatMap(([, to = '']) =>
    /^\w+:/.test(to) ? [] : [normalize(join(dirname(path), to))],
  )
}

test('every link leads to a file', async () => {
  for (const page of await everyPage()) {
    for (const to of linksOf(page)) {
      await access(join(packageRoot, to)).catch(() => assert.unreachable(`${page.path} leads to ${to}`))
    }
  }
})

test('every page can be reached from the index', async () => {
  const pages = await everyPage()
  const reached = new Set<string>()
  const visit = (path: string) => {
    if (reached.has(path)) return
    reached.add(path)
    const page = pages.find((one) => one.path === path)
    if (page) linksOf(page).forEach(visit)
  }
  visit(join('docs', 'README.md'))
  for (const { path } of pages) assert.ok(reached.has(path), `nothing leads to ${path}`)
})

test('every command that the docs give exists, with its options', async () => {
  const program = await buildProgram()
  let count = 0
  for (const page of await readPages()) {
    for (const line of [...blocksOf(page, 'sh'), ...spansOf(page)].join('\n').split('\n')) {
      const called = /(?:^|npx |\$\(|- )pgfigi ((?:[a-z-]+ ?)+)?(.*)$/.exec(line)
      if (!called?.[1]) continue
      count++
      const command = called[1].split(' ').reduce((at, word) => {
        return at.commands.find((one) => one.name() === word) ?? at
      }, program)
      assert.is.not(command, program, `${page.path}: ${line}`)
      for (const [option] of line.matchAll(/(?<= )--[a-z-]+/g)) {
        const isKnown = command.options.some(({ long }) => long === option)
        assert.ok(isKnown, `${page.path}: ${line}: there is no ${option}`)
      }
    }
  }
  assert.ok(count > 30)
})

/** Code within the prose. */
const spansOf = ({ text }: Page) =>
  [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span)

/** All commands, which are only looked at. */
async function buildProgram(): Promise<Command> {
  const program = new Command()
  const folder = join(packageRoot, 'src', 'cli', 'commands')
  for (const name of await readdir(folder)) {
    const exported: Record<string, unknown> = await import(join(folder, name))
    for (const [key, add] of Object.entries(exported)) {
      if (/^add[A-Z]/.test(key) && typeof add === 'function') add(program, {} as Context)
    }
  }
  return program
}

test.run()
