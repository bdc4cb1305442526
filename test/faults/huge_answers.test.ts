import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { amount, isAtLength } from '../support/at_length.ts'
import { forkProgram } from '../support/child.ts'
import { figure } from '../support/figure.ts'
import { listing } from '../support/listings.ts'
import type { RoundsAnswer } from '../support/rounds_process.ts'

const test = suite('answers of many megabytes')

/** Just below what is read of one answer. */
const size = 16 * 1024 * 1024 - 100

const filled = (before: string, piece: string, after: string) =>
  before + piece.repeat(Math.floor((size - before.length - after.length) / piece.length)) + after

const nested = (before: string, open: string, close: string, after: string) => {
  const depth = Math.floor((size - before.length - after.length) / (open.length + close.length))
  return before + open.repeat(depth) + close.repeat(depth) + after
}

/** What costs much to parse, to look through, to choose from or to quote; each answers one job. */
const bombs: Readonly<Record<string, () => string>> = {
  'empty objects': () => filled('[{},', '{},', '{}]'),
  'brackets, deep': () => nested('[', '[', ']', ']'),
  'objects, deep': () => nested('[{"data":', '{"a":', '}', '}]').replace('{"a":}', '{"a":1}'),
  'listings that are none': () => filled('[{"data":[', '1,', '1]}]'),
  'listings of nothing but a FIGI': () => filled('[{"data":[', '{"figi":"B"},', '{"figi":"A"}]}]'),
  'listings that are all the same': () =>
    filled('[{"data":[', '{"figi":"A","ticker":"T","name":"N"},', '{"figi":"A","ticker":"T"}]}]'),
  'passwords without an end': () => filled('[{"error":"', 'postgres://a:', '"}]'),
  'one long ticker': () => filled('[{"data":[{"figi":"A","ticker":"', 'A', '"}]}]'),
  'blanks in a name': () => filled('[{"data":[{"figi":"A","ticker":"T","name":"', ' ', '\\u0000"}]}]'),
  'a key again and again': () =>
    filled('[{"error":null,', '"error":null,', '"warning":"No identifier found."}]'),
  'keys, each another': () => {
    const keys = Array.from({ length: 1_200_000 }, (_, n) => `"${n}":1`)
    return `[{${keys.join()},"warning":"No identifier found."}]`
  },
}

/** The one that is an answer after all: unknown keys are nobody's business. */
const harmless = 'keys, each another'

/** A hundred of the widest jobs, and each listing as wide as it could be: 50 MB. */
function widestAnswer(jobs: number): string {
  const wide = listing({ name: 'N'.repeat(900), securityDescription: 'D'.repeat(800) })
  const data = Array.from({ length: 255 }, (_, n) => ({ ...wide, figi: `BBG${n}` }))
  return JSON.stringify(Array.from({ length: jobs }, () => ({ data })))
}

function endless(response: ServerResponse): void {
  const piece = `${JSON.stringify(listing())},`.repeat(1000)
  response.write('[{"data":[')
  const write = () => {
    while (!response.destroyed && response.write(piece));
  }
  response.on('drain', write)
  write()
}

/** Answers by the path below which it is asked: /bomb/..., /widest/... and /endless/... */
async function withServer(run: (urlOf: (path: string) => string) => Promise<void>): Promise<void> {
  const bodies = new Map<string, string>()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const jobs = JSON.parse(Buffer.concat(chunks).toString()).length
    const [, kind, name] = (request.url ?? '').split('/').map(decodeURIComponent)
    if (kind === 'endless') return endless(response)
    const key = `${kind} ${name} ${jobs}`
    const body = bodies.get(key) ?? (kind === 'widest' ? widestAnswer(jobs) : bombs[name ?? '']?.())
    bodies.set(key, body ?? '')
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await run((path) => `http://127.0.0.1:${port}/${path.split('/').map(encodeURIComponent).join('/')}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

async function ask(url: string, atOnce: number, jobs: number): Promise<RoundsAnswer> {
  // As little as a small machine gives: what needs more dies, and the test with it.
  await using child = await forkProgram(
    'rounds_process.ts',
    {},
    { NODE_OPTIONS: '--max-old-space-size=1024' },
  )
  return await child.ask<RoundsAnswer>({ url, atOnce, jobs })
}

test('which are made to exhaust a process become an error of their job, and stall it for no more than seconds', () =>
  withServer(async (urlOf) => {
    const names = isAtLength ? Object.keys(bombs) : ['objects, deep', 'listings that are none']
    let [memory, stall] = [0, 0]
    for (const name of names) {
      const { came, messages, mostMegabytes, stalledMs } = await ask(urlOf(`bomb/${name}`), 1, 1)
      console.log(
        `    ${name}: ${JSON.stringify(came)} ${messages[0]?.slice(0, 80)}, ${mostMegabytes} MB, ${stalledMs} ms`,
      )
      memory = Math.max(memory, mostMegabytes)
      stall = Math.max(stall, stalledMs)
      const expected =
        name === harmless ? 'none' : name === 'empty objects' ? 'OpenFigiResponseError' : 'error'
      assert.equal(came, { [expected]: 1 }, name)
      assert.ok(stalledMs < 20_000, `${name}: ${stalledMs} ms`)
    }
    figure(
      `a made-up answer of 16 MB: at most ${memory} MB in the process, and nothing else done for ${(stall / 1000).toFixed(1)} s`,
    )
  }))

test('which never end are read to the cap, 25 at once', () =>
  withServer(async (urlOf) => {
    const atOnce = amount(3, 25)
    const { came, mostMegabytes } = await ask(urlOf('endless'), atOnce, 1)
    console.log(`    ${JSON.stringify(came)}, ${mostMegabytes} MB`)
    assert.is(
      Object.keys(came)
        .join()
        .replace(/OpenFigi(AnswerTooLarge|Unavailable)Error,?/g, ''),
      '',
    )
    figure(`${atOnce} endless answers at once: ${mostMegabytes} MB in the process`)
  }))

test('of tens of megabytes, which are right, are asked for in halves', () =>
  withServer(async (urlOf) => {
    const jobs = amount(40, 100)
    const { came, mostMegabytes } = await ask(urlOf('widest'), 1, jobs)
    assert.equal(came, { listing: jobs })
    figure(`a right answer of ${jobs / 2} MB: ${mostMegabytes} MB in the process`)
  }))

test.run()
