import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A declaration with the comment above it: an export, or a member of one. */
interface Item {
  readonly doc: string
  readonly code: string
}

const root = join(import.meta.dirname, '..')

const introduction = `<!-- Made by \`npm run docs\` from the comments in the code; checked by \`npm run check\`. -->
# TypeScript

What \`import { ... } from 'pgfigi'\` gives.`

/** docs/api/typescript.md, of the types that tsc makes of src/index.ts and what it exports. */
export async function typescriptDocs(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pgfigi-types-'))
  try {
    const args = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', folder]
    const { status, stdout, error } = spawnSync(join(root, 'node_modules/.bin/tsc'), args, {
      cwd: root,
      encoding: 'utf8',
      shell: process.platform === 'win32', // there it is tsc.cmd
    })
    if (error || status !== 0) throw error ?? new Error(stdout)
    const texts = []
    for (const { name, file } of await exportsOf(join(folder, 'src', 'index.d.ts'))) {
      texts.push(exportText(name, await declaration(name, file)))
    }
    return `${[introduction, ...texts].join('\n\n')}\n`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The names that index exports, the client first, with the files that declare them. */
async function exportsOf(index: string): Promise<{ name: string; file: string }[]> {
  const found = (await readFile(index, 'utf8')).matchAll(/export (?:type )?\{([^}]*)\} from '([^']+)'/g)
  const all = [...found].flatMap(([, names = '', from = '']) =>
    names.split(',').flatMap((text) => {
      const name = text.trim().replace(/^type /, '')
      return name ? [{ name, file: join(dirname(index), from.replace(/\.ts$/, '.d.ts')) }] : []
    }),
  )
  const isClient = ({ name }: { name: string }) => (name === 'OpenFIGIClient' ? 0 : 1)
  return all.sort((one, other) => isClient(one) - isClient(other))
}

async function declaration(name: string, file: string): Promise<Item> {
  const items = itemsOf(await readFile(file, 'utf8'))
  const heads = new RegExp(`^export (declare )?(abstract )?(class|interface|type|function|const) ${name}\\b`)
  const found = items.find(({ code }) => heads.test(code))
  if (!found)
    throw new Error(`${file} declares no ${name}: scripts/typescript_docs.ts does not know its form`)
  // A short name of the file's own that stands in it cannot be looked up by the reader.
  const ownNames = items.flatMap(({ code }) => {
    const [, alias, meaning] = /^type (\w+) = ([^{]*);$/.exec(code) ?? []
    return alias && meaning ? [{ alias: new RegExp(`\\b${alias}\\b`, 'g'), meaning }] : []
  })
  return ownNames.reduce(
    ({ doc, code }, { alias, meaning }) => ({ doc, code: code.replace(alias, meaning) }),
    found,
  )
}

function exportText(name: string, { doc, code }: Item): string {
  const block = /^export (?:declare )?(.*?(?:class|interface) [^{]*)\{([\s\S]*)\}$/.exec(code)
  const said = doc ? `${doc}\n\n` : ''
  if (!block) return `## ${name}\n\n${said}\`\`\`ts\n${code.replace(/^export (declare )?/, '')}\n\`\`\``
  const [, head = '', body = ''] = block
  const members = itemsOf(body)
    .filter((member) => !/^(#private|private|protected)\b/.test(member.code))
    .map((member) => `- \`${oneLine(member.code)}\`${member.doc ? `\\\n  ${member.doc}` : ''}`)
  const list = members.length > 0 ? `\n\n${members.join('\n')}` : ''
  return `## ${name}\n\n${said}\`${head.trim()}\`${list}`
}

const oneLine = (code: string) =>
  code
    .replace(/^readonly /, '')
    .replace(/;$/, '')
    .replace(/\s+/g, ' ')

/** What stands side by side in a declaration file, or in a body: tsc writes it in one form. */
function itemsOf(text: string): Item[] {
  const items: Item[] = []
  let doc = ''
  let rest = text.trimStart()
  while (rest !== '') {
    const comment = /^\/\*\*([\s\S]*?)\*\//.exec(rest)
    if (comment) {
      doc = (comment[1] ?? '')
        .replace(/^\s*\* ?/gm, '')
        .trim()
        .replace(/\s+/g, ' ')
      rest = rest.slice(comment[0].length).trimStart()
      continue
    }
    const code = rest.slice(0, endOfItem(rest))
    items.push({ doc, code })
    doc = ''
    rest = rest.slice(code.length).trimStart()
  }
  return items
}

/** Behind its semicolon, or the brace that closes a class or an interface. */
function endOfItem(text: string): number {
  const closesByBrace = /^(export )?(declare )?(abstract )?(class|interface) /.test(text)
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at)
    if ('{(['.includes(character)) depth++
    if ('})]'.includes(character)) depth--
    if (depth === 0 && (character === ';' || (closesByBrace && character === '}'))) return at + 1
  }
  return text.length
}
