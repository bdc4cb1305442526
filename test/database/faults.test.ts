import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { explained } from '../../src/database/faults.ts'
import { messageOf } from '../../src/message_of.ts'

const test = suite('what an error of the database says')

/** As Node gives it for a host that has two addresses. */
const both = () => {
  const errors = ['::1', '127.0.0.1'].map((host) => new Error(`connect ECONNREFUSED ${host}:1`))
  return Object.assign(new AggregateError(errors), { code: 'ECONNREFUSED' })
}

test('is what each address of a host said, where nothing is said for all', () => {
  assert.is(both().message, '')
  assert.is(messageOf(both()), 'connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1')
  assert.match((explained(both()) as Error).message, 'cannot be reached: connect ECONNREFUSED ::1:1; connect')
})

test('is its message, or whatever was thrown', () => {
  assert.is(messageOf(new Error('away')), 'away')
  assert.is(messageOf(new AggregateError([], 'two of them')), 'two of them')
  assert.is(messageOf('a text'), 'a text')
})

test.run()
