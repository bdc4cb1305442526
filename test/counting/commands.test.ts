import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { run, withInstallation } from '../cli/pgfigi.ts'
import { counted, countedLookups } from '../support/counted.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'

const test = suite('commands')

/** Keeps what kinds of processes there were, since their rows go with them. */
async function watchProcesses(sql: Sql): Promise<void> {
  await sql`create table public.kinds (kind text)`
  await sql`
    create function public.keep_kind() returns trigger language plpgsql as $$
    begin
      insert into public.kinds values (new.kind);
      return null;
    end
    $$`
  await sql`
    create trigger keep_kind after insert on figi_private.processes
      for each row execute function public.keep_kind()`
}

test('count what they look up, once each, and what they ask of OpenFIGI', () =>
  withInstallation(async ({ sql, openfigi, env }) => {
    await observe(sql, 'CUSIP', makeCusip(0), 'AAA')
    await watchProcesses(sql)
    const rows = [
      'cusip,isin,day',
      `${makeCusip(0)},,`,
      `${makeCusip(0)},${makeIsin(1)},`,
      `${makeCusip(2)},${makeIsin(3)},`,
      `${makeCusip(2)},,`,
      'nonsense,more nonsense,',
      ',,',
    ]
    const enriched = await run(['enrich', '-', '--json'], { env, input: `${rows.join('\n')}\n` })
    assert.is(enriched.code, 0, enriched.stderr)
    const { fetched } = JSON.parse(enriched.stderr.trim().split('\n').at(-1) ?? '')
    assert.is(fetched, 1)
    assert.equal(await countedLookups(sql), {
      'CUSIP hit database': 1,
      'CUSIP miss openfigi': 1,
      'ISIN miss openfigi': 1,
      'unknown invalid process': 1,
    })

    const resolved = await run(['resolve', makeCusip(0), makeCusip(4), 'nonsense'], { env })
    assert.is(resolved.code, 0, resolved.stderr)
    await run(['enrich', '-', '--no-fetch', '--as-of', '2020-01-01'], {
      env,
      input: `cusip\n${makeCusip(5)}\n`,
    })
    assert.equal(await countedLookups(sql), {
      'CUSIP hit database': 2,
      'CUSIP miss database': 1,
      'CUSIP miss openfigi': 2,
      'ISIN miss openfigi': 1,
      'unknown invalid process': 2,
    })
    assert.equal(await counted(sql, 'openfigi_requests', ['code']), { 200: openfigi.log.length })
    const processes = await sql`select from figi_private.processes`
    assert.is(processes.length, 0)
    const kinds = await sql<{ kind: string }[]>`select kind from public.kinds`
    assert.equal(
      kinds.map(({ kind }) => kind),
      ['command', 'command', 'command'],
    )
  }))

test.run()
