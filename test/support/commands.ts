import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A command of pgfigi as it is tried against faults. */
export interface Command {
  /** With its options, without its files. */
  readonly name: string
  readonly args: readonly string[]
  /** Changes the database. */
  readonly writes: boolean
  /** Goes on until it is stopped. */
  readonly lasts: boolean
}

/** A folder with what commands read; what they write goes there, too. */
export interface Workplace {
  readonly commands: readonly Command[]
  /** What is there besides what they read. */
  left(): Promise<string[]>
  /** Removes that. */
  tidyUp(): Promise<void>
}

/** Every command of pgfigi, reading two known identifiers and one that is none, each writing into the folder. */
export async function commandsIn(folder: string): Promise<Workplace> {
  const inputs: Readonly<Record<string, string>> = {
    'holdings.csv': 'cusip\n037833100\n594918104\n',
    'cache.json': JSON.stringify({ '037833100': 'AAPL', none: 'X' }),
  }
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(inputs)) await writeFile(join(folder, name), content)
  const at = (name: string) => join(folder, name)
  const reading = (name: string, ...args: string[]) => ({ name, args, writes: false, lasts: false })
  const writing = (name: string, ...args: string[]) => ({ name, args, writes: true, lasts: false })
  const lasting = (name: string, ...args: string[]) => ({ name, args, writes: true, lasts: true })
  const commands: readonly Command[] = [
    writing('resolve', 'resolve', '037833100'),
    reading('resolve --no-wait', 'resolve', '--no-wait', '037833100'),
    writing('enrich', 'enrich', at('holdings.csv'), '-o', at('enriched.csv')),
    writing('import', 'import', at('cache.json'), '--rejects', at('rejects.csv')),
    reading('export', 'export', '--history', '-o', at('export.csv.gz')),
    reading('export dump', 'export', '--format', 'dump', '-o', at('dump.jsonl')),
    reading('history', 'history', '037833100'),
    reading('changes', 'changes'),
    reading('stats', 'stats'),
    reading('health', 'health'),
    writing('refresh', 'refresh', '--wait'),
    writing('warm', 'warm', at('holdings.csv')),
    writing('warm --query', 'warm', '--query', "select '037833100' as cusip"),
    writing('clear', 'clear', '--yes'),
    writing('clear --purge', 'clear', '--purge', '--yes'),
    writing('migrate up', 'migrate', 'up'),
    reading('migrate status', 'migrate', 'status'),
    reading('migrate history', 'migrate', 'history'),
    writing('migrate down', 'migrate', 'down'),
    writing('worker unlock', 'worker', 'unlock'),
    lasting('worker', 'worker'),
    lasting('start', 'start', '--no-page'),
  ]
  const left = async () => (await readdir(folder)).filter((name) => !(name in inputs))
  return {
    commands,
    left,
    async tidyUp() {
      for (const name of await left()) await rm(at(name), { force: true })
    },
  }
}
