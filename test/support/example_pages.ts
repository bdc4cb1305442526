/** Every page with an example in it, by its path. */
import { changesPage } from '../../src/http/views/changes.ts'
import { errorPage } from '../../src/http/views/error.ts'
import type { Frame } from '../../src/http/views/frame.ts'
import { loginPage } from '../../src/http/views/login.ts'
import { negativesPage } from '../../src/http/views/negatives.ts'
import { overviewPage } from '../../src/http/views/overview.ts'
import { requestsPage } from '../../src/http/views/requests.ts'
import { runbookPage } from '../../src/http/views/runbook.ts'
import { searchPage } from '../../src/http/views/search.ts'
import { workPage } from '../../src/http/views/work.ts'
import * as example from './page_examples.ts'

type Render = (frame: Frame) => string

const { wellHealth, sickHealth, overview, charts, emptyOverview, emptyCharts } = example

export const examplePages: ReadonlyMap<string, Render> = new Map<string, Render>([
  ['/', (frame) => overviewPage({ health: wellHealth, overview, charts, range: '24h' }, frame)],
  ['/?range=1h', (frame) => overviewPage({ health: sickHealth, overview, charts, range: '1h' }, frame)],
  [
    '/?range=7d',
    (frame) =>
      overviewPage({ health: wellHealth, overview: emptyOverview, charts: emptyCharts, range: '7d' }, frame),
  ],
  ['/search', (frame) => searchPage({ query: '', found: null, message: null }, frame)],
  [
    '/search?q=zzz',
    (frame) =>
      searchPage(
        {
          query: 'zzz',
          found: null,
          message: 'zzz is no CUSIP and no ISIN, and nothing bears it as a ticker.',
        },
        frame,
      ),
  ],
  ['/search?q=30303M102', ofIdentifier('30303M102', example.meta)],
  ['/search?q=US5949181045', ofIdentifier('US5949181045', example.restless)],
  ['/search?q=000000AA5', ofIdentifier('000000AA5', example.negativeIdentifier)],
  [
    '/search?q=META',
    (frame) =>
      searchPage(
        {
          query: 'META',
          found: { kind: 'ticker', ticker: 'META', bearers: [...example.bearers] },
          message: null,
        },
        frame,
      ),
  ],
  ['/changes', (frame) => changesPage({ changes: example.changes }, frame)],
  ['/negatives', (frame) => negativesPage({ negatives: example.negatives }, frame)],
  ['/requests', (frame) => requestsPage({ requests: example.waiting, state: 'waiting' }, frame)],
  [
    '/requests?state=gave_up',
    (frame) => requestsPage({ requests: [example.gaveUp], state: 'gave_up' }, frame),
  ],
  ['/work', (frame) => workPage({ work: example.work, actions: example.actions }, frame)],
  ['/work?empty', (frame) => workPage({ work: { processes: [], jobs: [], cron: [] }, actions: [] }, frame)],
  ['/login', (frame) => loginPage({ message: null, next: '/' }, frame)],
  ['/login?wrong', (frame) => loginPage({ message: 'That is not the password.', next: '/' }, frame)],
  ['/nowhere', (frame) => errorPage({ status: 404, message: 'There is nothing at /nowhere.' }, frame)],
  ['/runbooks/gave_up', (frame) => runbookPage({ name: 'gave_up', text: runbook }, frame)],
])

function ofIdentifier(query: string, identifier: typeof example.meta): Render {
  return (frame) => searchPage({ query, found: { kind: 'identifier', identifier }, message: null }, frame)
}

const runbook = `# Requests that gave up

## What it means

OpenFIGI answered **several times** with an error for an identifier. See also [the oldest request](oldest_request.md).

## How to look

1. Count them:
   \`\`\`sql
   select count(*) from fetch_requests where gave_up_at is not null;
   \`\`\`
2. Look at \`last_error\`.

| error | what to do |
|---|---|
| \`Invalid idValue format\` | mend the holdings |
| status 500 | wait, then retry |

- <b>no HTML</b> passes
- [somewhere else](https://www.openfigi.com/api)
`
