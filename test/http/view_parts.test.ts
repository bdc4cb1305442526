import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { duration, inUnit, number, percent, shortDuration } from '../../src/http/views/figures.ts'
import { ago, utc } from '../../src/http/views/instant.ts'
import { markdown } from '../../src/http/views/markdown.ts'
import { plain, shown } from '../../src/http/views/shown_text.ts'
import { ticksBetween } from '../../src/http/views/time_axis.ts'
import { timeline } from '../../src/http/views/timeline.ts'
import fc from '../support/fast_check.ts'
import { before, now, period } from '../support/page_examples.ts'

const test = suite('parts of the views')

test('numbers, shares and lengths of time are written as people read them', () => {
  assert.is(number(1_234_567), '1,234,567')
  assert.equal([0, 0.0004, 0.031, 0.9996, 1].map(percent), ['0 %', '< 0.1 %', '3.1 %', '> 99.9 %', '100 %'])
  assert.equal([0, 0.4, 1, 45, 83, 3600, 4520, 90_061, 950_400].map(duration), [
    '0 seconds',
    'under a second',
    '1 second',
    '45 seconds',
    '1 minute 23 seconds',
    '1 hour',
    '1 hour 15 minutes',
    '1 day 1 hour',
    '11 days',
  ])
  assert.is(shortDuration(83), '1 min 23 s')
  assert.equal(
    [inUnit(1, 'requests'), inUnit(12, 'requests'), inUnit(0.2, 'share'), inUnit(60, 'seconds')],
    ['1 request', '12 requests', '20 %', '1 minute'],
  )
  assert.is(inUnit(12_300_000, 'bytes'), '12.3 MB')
})

test('times are absolute in UTC, and relative', () => {
  assert.is(utc(now), '2026-11-22 17:41 UTC')
  assert.is(utc(new Date('2022-06-09T00:00:00Z')), '2022-06-09')
  assert.equal(
    [
      0,
      1,
      59,
      180,
      7200,
      86_400 * 3,
      86_400 * 60,
      86_400 * 90,
      86_400 * 91,
      86_400 * 400,
      86_400 * 730,
      86_400 * 1000,
      -86_400 * 3,
    ].map((seconds) => ago(new Date(before(seconds)), now)),
    [
      'now',
      '1 second ago',
      '59 seconds ago',
      '3 minutes ago',
      '2 hours ago',
      '3 days ago',
      '60 days ago',
      '90 days ago',
      '3 months ago',
      '13 months ago',
      '2 years ago',
      '3 years ago',
      'in 3 days',
    ],
  )
})

test('any text is shown without what turns the direction of writing, cut at its most', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const html = shown(text)
      assert.not.match(html, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
      assert.not.match(html.replace(/^<bdi>|<\/bdi>$|^<span.*<\/span>$/g, ''), /[<>"']/)
      assert.ok([...plain(text)].length <= 120 * 10 + 30)
    }),
    { numRuns: 200 },
  )
  assert.is(plain('W'.repeat(10_000)), `${'W'.repeat(120)}… (10,000 characters)`)
})

test('an axis has at most five ticks at round times, whatever the time between its ends', () => {
  const instants = fc.integer({ min: 0, max: 4_000_000_000 })
  fc.assert(
    fc.property(instants, instants, (one, other) => {
      const [from, until] = [Math.min(one, other) * 1000, Math.max(one, other) * 1000]
      const ticks = ticksBetween(new Date(from), new Date(until))
      assert.ok(ticks.length <= 5)
      for (const { at, label } of ticks) {
        assert.ok(at.getTime() >= from && at.getTime() <= until)
        assert.ok(at.toISOString().includes(label))
      }
    }),
    { numRuns: 300 },
  )
  const years = ticksBetween(new Date('2012-05-18'), new Date('2026-11-22'))
  assert.equal(
    years.map(({ label }) => label),
    ['2015', '2020', '2025'],
  )
})

test('a timeline is to scale, the latest period on top, and its end open', () => {
  const history = [
    period({ ticker: 'OLD', start_date: before(400), end_date: before(100) }),
    period({ ticker: 'NEW', start_date: before(100) }),
  ]
  const rects = [...timeline(history, 'x', now).matchAll(/<rect x="([\d.]+)%" y="(\d+)" width="([\d.]+)%"/g)]
  assert.equal(
    rects.map(([, x, y, width]) => [Number(x), Number(y), Number(width)]),
    [
      [75, 21, 25],
      [0, 61, 75],
    ],
  )
  const many = Array.from({ length: 60 }, (_, place) =>
    period({ start_date: before(6000 - place * 100), end_date: before(5900 - place * 100) }),
  )
  assert.match(timeline(many, 'x', now), /The latest 24 of 60 periods are drawn\./)
})

test('Markdown becomes headings, lists, code, tables and links to other runbooks, and never HTML', () => {
  const html = markdown(
    [
      '# Top',
      'Some `code <b>` and **strong**.',
      'Same paragraph.',
      '',
      '1. one',
      '   ```sql',
      '   select 1;',
      '',
      '     indented',
      '   ```',
      '2. two',
      '   - inner',
      '',
      '| a | b |',
      '|---|---|',
      '| [x](gave_up.md#how) | [y](../scaling.md) |',
      '',
      'A [bad](javascript:alert(1)) link.',
      '',
      '<script>alert(1)</script>',
      '',
      '```',
      'not closed',
    ].join('\n'),
    { heading: 2 },
  )
  assert.is(
    html.replaceAll(/\n(?=<|&#)|\n$/g, ''),
    [
      '<h2>Top</h2>',
      '<p>Some <code>code &lt;b&gt;</code> and <strong>strong</strong>.\nSame paragraph.</p>',
      '<ol><li>one<pre tabindex="0"><code>select 1;\n\n  indented</code></pre></li><li>two<ul><li>inner</li></ul></li></ol>',
      '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table><thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead><tbody><tr><td><a href="/runbooks/gave_up">x</a></td><td>y (<code>../scaling.md</code>)</td></tr></tbody></table></div>',
      '<p>A bad (<code>javascript:alert(1)</code>) link.</p>',
      '&#60;script&#62;alert(1)&#60;/script&#62;',
      '<pre tabindex="0"><code>not closed</code></pre>',
    ].join(''),
  )
})

test.run()
