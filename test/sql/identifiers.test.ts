import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as typescript from '../../src/identifiers.ts'
import { amount } from '../support/at_length.ts'
import { withRollback } from '../support/database.ts'
import fc, { caseSeed } from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import { confusing, oddText } from '../support/odd_identifiers.ts'

const test = suite('identifiers in SQL')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

/** Postgres stores neither NUL nor half a surrogate pair. */
const storable = (text: string) => !text.includes('\0') && text.isWellFormed()

const text = oddText.filter(storable)

const typeName = fc.oneof(
  fc.constantFrom('CUSIP', 'ISIN', 'cusip', ' Isin\t', '\u00a0cusip', 'CU SIP', 'ısin', 'FIGI', ''),
  fc.tuple(confusing, confusing).map(([before, after]) => `${before}isin${after}`),
)

const country = fc.oneof(
  fc.constantFrom('US', 'CA', 'us', ' ca ', 'XS', 'U', 'USA', 'U1', ''),
  fc.string({ unit: confusing, maxLength: 4 }),
)

interface Given {
  text: string | null
  type: string | null
  country: string | null
}

const nothings: Given[] = [
  { text: null, type: 'CUSIP', country: 'US' },
  { text: '037833100', type: null, country: null },
  { text: '', type: '', country: '' },
]

function given(amount: number, seedOfSample: number): Given[] {
  return [
    ...nothings,
    ...fc.sample(fc.record({ text, type: typeName, country }), { numRuns: amount, seed: seedOfSample }),
  ]
}

function inTypeScript({ text, type, country }: Given) {
  return {
    clean: text === null ? null : typescript.cleanIdentifier(text),
    cusip_digit: typescript.cusipCheckDigit(text),
    cusip_digit_of_eight: typescript.cusipCheckDigit(text === null ? null : firstOf(text, 8)),
    isin_digit: typescript.isinCheckDigit(text),
    isin_digit_of_eleven: typescript.isinCheckDigit(text === null ? null : firstOf(text, 11)),
    cusip: typescript.normalizeCusip(text),
    isin: typescript.normalizeIsin(text),
    of_type: typescript.normalizeIdentifier(type, text)?.value ?? null,
    type_of: typescript.identify(text)?.type ?? null,
    completed: typescript.completeCusip(text),
    isin_of_cusip: typescript.isinOfCusip(text, country),
  }
}

type Answer = ReturnType<typeof inTypeScript>

/** By code points, as Postgres counts. */
const firstOf = (text: string, length: number) => Array.from(text).slice(0, length).join('')

/** Every name qualified, so that the same query runs under any search_path. */
function inSql(sql: Sql, given: Given[]) {
  return sql<Answer[]>`
    select
      public.clean_identifier(g.text) as clean,
      public.cusip_check_digit(g.text) as cusip_digit,
      public.cusip_check_digit(pg_catalog.left(g.text, 8)) as cusip_digit_of_eight,
      public.isin_check_digit(g.text) as isin_digit,
      public.isin_check_digit(pg_catalog.left(g.text, 11)) as isin_digit_of_eleven,
      public.normalize_cusip(g.text) as cusip,
      public.normalize_isin(g.text) as isin,
      public.normalize_identifier(g.type, g.text) as of_type,
      public.identifier_type_of(g.text) as type_of,
      public.complete_cusip(g.text) as completed,
      public.isin_of_cusip(g.text, g.country) as isin_of_cusip
    from rows from (
      pg_catalog.unnest(${given.map(({ text }) => text)}::pg_catalog.text[]),
      pg_catalog.unnest(${given.map(({ type }) => type)}::pg_catalog.text[]),
      pg_catalog.unnest(${given.map(({ country }) => country)}::pg_catalog.text[])
    ) with ordinality as g (text, type, country, place)
    order by g.place
  `
}

/** Says for each column how many rows were not null, so that a caller can see that the inputs were worth the trouble. */
async function compare(sql: Sql, amount: number, round = 0): Promise<Record<keyof Answer, number>> {
  const seedOfSample = caseSeed + round
  const inputs = given(amount, seedOfSample)
  const answers = await inSql(sql, inputs)
  assert.is(answers.length, inputs.length)
  const found = Object.fromEntries(Object.keys(answers[0] ?? {}).map((column) => [column, 0]))
  for (const [place, input] of inputs.entries()) {
    const answer = { ...answers[place] }
    assert.equal(answer, inTypeScript(input), `seed ${seedOfSample}, input ${JSON.stringify(input)}`)
    for (const [column, value] of Object.entries(answer)) {
      if (value !== null) found[column] = (found[column] ?? 0) + 1
    }
  }
  return found as Record<keyof Answer, number>
}

test('SQL and TypeScript agree on texts good, damaged and strange', async () => {
  await withRollback(async (sql) => {
    const rounds = amount(1, 12)
    const found = await compare(sql, 24_000)
    for (let round = 1; round < rounds; round += 1) await compare(sql, 24_000, round)
    figure(`${(24_000 * rounds).toLocaleString('en-US')} texts in SQL and TypeScript`)
    for (const [column, count] of Object.entries(found)) assert.ok(count > 200, `${column}: only ${count}`)
  })
})

test('they agree where a schema first in search_path has functions, operators and types of the same names', async () => {
  await withRollback(async (sql) => {
    await sql.unsafe(`
      create schema hostile;
      create function hostile.upper(pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.translate(pg_catalog.text, pg_catalog.text, pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.replace(pg_catalog.text, pg_catalog.text, pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.lpad(pg_catalog.text, pg_catalog.int4, pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.btrim(pg_catalog.text, pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.substr(pg_catalog.text, pg_catalog.int4, pg_catalog.int4) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.strpos(pg_catalog.text, pg_catalog.text) returns pg_catalog.int4 language sql immutable return 666;
      create function hostile.length(pg_catalog.text) returns pg_catalog.int4 language sql immutable return 666;
      create function hostile.octet_length(pg_catalog.text) returns pg_catalog.int4 language sql immutable return 666;
      create function hostile.get_byte(pg_catalog.bytea, pg_catalog.int4) returns pg_catalog.int4 language sql immutable return 666;
      create function hostile.convert_to(pg_catalog.text, pg_catalog.name) returns pg_catalog.bytea language sql immutable return null::pg_catalog.bytea;
      create function hostile.clean_identifier(pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.cusip_check_digit(pg_catalog.text) returns pg_catalog.text language sql immutable return '6';
      create function hostile.isin_check_digit(pg_catalog.text) returns pg_catalog.text language sql immutable return '6';
      create function hostile.normalize_cusip(pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.normalize_isin(pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.yes(pg_catalog.text, pg_catalog.text) returns pg_catalog.bool language sql immutable return true;
      create function hostile.join(pg_catalog.text, pg_catalog.text) returns pg_catalog.text language sql immutable return 'hostile';
      create function hostile.six(pg_catalog.int4, pg_catalog.int4) returns pg_catalog.int4 language sql immutable return 666;
      create operator hostile.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = hostile.yes);
      create operator hostile.<> (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = hostile.yes);
      create operator hostile.~ (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = hostile.yes);
      create operator hostile.!~ (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = hostile.yes);
      create operator hostile.|| (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = hostile.join);
      create operator hostile.- (leftarg = pg_catalog.int4, rightarg = pg_catalog.int4, function = hostile.six);
      create operator hostile.% (leftarg = pg_catalog.int4, rightarg = pg_catalog.int4, function = hostile.six);
      create domain hostile.text as pg_catalog.int4;
      create domain hostile.bytea as pg_catalog.int4;
      set local search_path to hostile, pg_catalog, public;
    `)
    const [first] = await sql`select upper('a') as name, 1 - 1 as number`
    assert.equal({ ...first }, { name: 'hostile', number: 666 }, 'the schema does come first')
    await compare(sql, 3_000)
  })
})

test('they agree where the column has a collation for which A equals a', async () => {
  await withRollback(async (sql) => {
    const [icu] = await sql<{ present: boolean }[]>`
      select exists (select from pg_collation where collprovider = 'i') as present
    `
    if (!icu?.present) return
    await sql.unsafe(
      `create collation public.loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)`,
    )
    const inputs = given(2_000, 1)
    const answers = await sql<Partial<Answer>[]>`
      select
        public.clean_identifier(g.text collate public.loose) as clean,
        public.cusip_check_digit(pg_catalog.left(g.text, 8) collate public.loose) as cusip_digit_of_eight,
        public.isin_check_digit(pg_catalog.left(g.text, 11) collate public.loose) as isin_digit_of_eleven,
        public.normalize_identifier(g.type collate public.loose, g.text collate public.loose) as of_type,
        public.identifier_type_of(g.text collate public.loose) as type_of,
        public.complete_cusip(g.text collate public.loose) as completed,
        public.isin_of_cusip(g.text collate public.loose, g.country collate public.loose) as isin_of_cusip
      from rows from (
        pg_catalog.unnest(${inputs.map(({ text }) => text)}::text[]),
        pg_catalog.unnest(${inputs.map(({ type }) => type)}::text[]),
        pg_catalog.unnest(${inputs.map(({ country }) => country)}::text[])
      ) with ordinality as g (text, type, country, place)
      order by g.place
    `
    for (const [place, input] of inputs.entries()) {
      const { cusip_digit, isin_digit, cusip, isin, ...expected } = inTypeScript(input)
      assert.equal({ ...answers[place] }, expected, JSON.stringify(input))
    }
  })
})

test('a megabyte is an input like any other', async () => {
  await withRollback(async (sql) => {
    const long = [' ', '€', '0a'].map((filling) => filling.repeat(1_000_000 / filling.length))
    const inputs = [...long, `${' '.repeat(1_000_000)}037833100`].map((text) => ({
      text,
      type: text,
      country: text,
    }))
    const answers = await inSql(sql, inputs)
    for (const [place, input] of inputs.entries()) {
      const { clean, ...answer } = { ...answers[place] } as Answer
      const { clean: expectedClean, ...expected } = inTypeScript(input)
      assert.equal(answer, expected)
      assert.ok(clean === expectedClean, `cleaning, input ${place}`)
    }
  })
})

test('the examples in the comments are true', async () => {
  await withRollback(async (sql) => {
    const comments = await sql<{ name: string; comment: string | null }[]>`
      select p.proname as name, pg_catalog.obj_description(p.oid, 'pg_proc') as comment
      from pg_catalog.pg_proc as p
      where p.pronamespace = 'public'::regnamespace
        and p.proname in (
          'clean_identifier', 'cusip_check_digit', 'isin_check_digit', 'normalize_cusip', 'normalize_isin',
          'normalize_identifier', 'identifier_type_of', 'complete_cusip', 'isin_of_cusip'
        )
    `
    assert.is(comments.length, 9)
    for (const { name, comment } of comments) {
      const [, call, result] = /: (\w+\('.*'\)) is '(.*)'\.$/.exec(comment ?? '') ?? []
      assert.ok(call?.startsWith(`${name}(`), `${name} has an example`)
      const [row] = await sql.unsafe(`select public.${call} as result`)
      assert.is(row?.result, result, call)
    }
  })
})

test.run()
