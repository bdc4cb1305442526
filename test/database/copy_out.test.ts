import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { copyOut } from '../../src/database/copy_out.ts'
import { within } from '../../src/database/deadline.ts'
import { withRollback } from '../support/database.ts'

const test = suite('copyOut')

test('gives every byte, and leaves a connection that answers, wherever the end falls in the buffers', () =>
  withRollback(async (sql) => {
    for (let rows = 50; rows <= 800; rows += 25) {
      const copy = sql`
        copy (select repeat('x', 999) from generate_series(1, ${sql.unsafe(String(rows))})) to stdout`
      let bytes = 0
      for await (const piece of copyOut(copy)) {
        bytes += piece.length
        await sleep(1)
      }
      assert.is(bytes, rows * 1000)
      const [row] = await within(10_000, 'The database', sql<[{ one: number }]>`select 1 as one`)
      assert.is(row.one, 1, `after ${rows} rows`)
    }
  }))

test.run()
