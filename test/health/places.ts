import { type HealthCheck, health } from '../../src/http/models.ts'
import { run } from '../cli/pgfigi.ts'

/** What one place says of a check. */
export type Said = Pick<HealthCheck, 'name' | 'status' | 'sentence'>

/** What somebody sees who looks at all places in the same moment. */
export interface Seen {
  /** `pgfigi health --json`, and its exit code. */
  readonly command: { readonly code: number | null; readonly checks: readonly Said[] }
  /** `/readyz`, and its HTTP status. */
  readonly readyz: { readonly code: number; readonly checks: readonly Said[] }
  /** The front of the page. */
  readonly front: readonly Said[]
  /** `/metrics`: 0 ok, 1 warn, 2 fail, by the names of the checks. */
  readonly metrics: Readonly<Record<string, number>>
}

/** `main` is the program to ask, `page` the address of its page. */
export async function lookAt(
  page: string,
  main: string,
  env: Readonly<Record<string, string>>,
): Promise<Seen> {
  const get = async (path: string) => {
    const response = await fetch(page + path)
    return { code: response.status, text: await response.text() }
  }
  const [command, readyz, front, metrics] = await Promise.all([
    run(['health', '--json'], { main, env }),
    get('/readyz'),
    get('/'),
    get('/metrics'),
  ])
  return {
    command: { code: command.code, checks: health.parse(JSON.parse(command.stdout)).checks },
    readyz: { code: readyz.code, checks: JSON.parse(readyz.text).checks },
    front: checksOnPage(front.text),
    metrics: Object.fromEntries(
      [...metrics.text.matchAll(/^pgfigi_health_check_status\{check="(\w+)"\} (\d)$/gm)].map(
        ([, name = '', status]) => [name, Number(status)],
      ),
    ),
  }
}

/** The checks with their words and sentences, as they stand there. */
function checksOnPage(text: string): Said[] {
  const item =
    /<li class="check (\w+)" id="check-(\w+)"[^>]*>[\s\S]*?<span class="word">(\w+):<\/span> <bdi>([\s\S]*?)<\/bdi>/g
  const words: Readonly<Record<string, string>> = { ok: 'Well', warn: 'Warns', fail: 'Fails' }
  return [...text.matchAll(item)].map(([, status = '', name = '', word, sentence = '']) => {
    if (word !== words[status]) throw new Error(`${name} is ${status} and shown as ${word}`)
    return { name, status: status as Said['status'], sentence: unescaped(sentence) }
  })
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

const unescaped = (text: string) =>
  text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? '')
