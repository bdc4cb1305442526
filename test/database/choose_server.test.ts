import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ServerChoice } from '../../src/database/choose_server.ts'

const test = suite('the choice among servers')

const near = 'postgres://near/db'
const far = 'postgres://far/db'

test('waits for a far server that was promoted, where a near primary of old answers first', async () => {
  const choice = new ServerChoice([near, far], 'read-write', async (url) => {
    if (url === far) await sleep(600)
    return { url, isStandby: false, isReadOnly: false, timeline: url === far ? 2 : 1 }
  })
  assert.is(await choice.choose(), far)
})

test.run()
