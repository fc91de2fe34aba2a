import { expect, test } from 'vitest'
import { CLUSTER, ENDPOINTS } from '../../../xds-server/snapshot.ts'
import { GATE_DEADLINE_MS } from '../../../xds-server/stream/gates.ts'
import { ANSWER_DEADLINE_MS } from '../../../xds-server/stream/withdrawals.ts'
import { edge } from './resources.ts'
import { RolloutClient } from './rollout-client.ts'

const booted = (...args: Parameters<typeof edge>) => new RolloutClient(edge(...args)).boot()
const BAD_CLUSTER = 'Error adding/updating cluster(s) bad: ring hash: minimum is above maximum'

/** A client that holds cluster a, was sent cluster bad and b, and leaves them unanswered. */
function waiting(): RolloutClient {
  const client = booted({ a: '1' }).publish(edge({ a: '1', b: '1', bad: '1' }))
  expect(client.take()).toEqual(['Cluster +b +bad'])
  client.subscribe(ENDPOINTS, 'b', 'bad').take()
  client.ack(ENDPOINTS)
  client.ack(ENDPOINTS)
  return client
}

test('C31 an answer to the withdrawal, however late, absolves nobody', () => {
  const client = waiting()
  client.now = ANSWER_DEADLINE_MS
  client.take()
  client.now = 2 * ANSWER_DEADLINE_MS
  client.take()
  client.nack(CLUSTER, BAD_CLUSTER)
  client.unsubscribe(ENDPOINTS, 'b', 'bad').ack(CLUSTER)
  expect(client.settle().filter((line) => line.startsWith('Cluster'))).toEqual(['Cluster +b'])
})

test('C31 routes wait long enough for a cluster that was withdrawn with a bad one to come again', () => {
  const client = waiting()
  client.now = ANSWER_DEADLINE_MS
  client.take()
  client.nack(CLUSTER, BAD_CLUSTER)
  client.unsubscribe(ENDPOINTS, 'b', 'bad').ack(CLUSTER)
  client.take()
  client.subscribe(ENDPOINTS, 'b').settle()
  expect(client.held(CLUSTER).map((held) => held.split('@')[0])).toEqual(['a', 'b'])
  expect(client.rollout.deadline()).toBe(GATE_DEADLINE_MS)
  client.now = GATE_DEADLINE_MS - 1
  expect(client.take()).toEqual([])
  client.now = GATE_DEADLINE_MS
  expect(client.take()).toEqual(['RouteConfiguration +edge (without bad)'])
})

test('C31 what is overdue blocks nothing: a corrected cluster goes out though the old one was never answered', () => {
  const client = waiting()
  client.now = ANSWER_DEADLINE_MS
  client.take()
  client.publish(edge({ a: '1', b: '1', bad: '2' }))
  client.now = 2 * ANSWER_DEADLINE_MS
  expect(client.take()).toContain('Cluster +bad')
})

test('C31 an answer before the deadline ends the wait', () => {
  const client = waiting()
  client.ack(CLUSTER)
  expect(client.settle()).toEqual(['RouteConfiguration +edge'])
  expect(client.rollout.deadline()).toBeUndefined()
})

test('C31 a withdrawn cluster does not count as there when its acknowledgement comes late', () => {
  const client = waiting()
  client.now = ANSWER_DEADLINE_MS
  client.take()
  client.ack(CLUSTER)
  expect(client.take().filter((line) => line.startsWith('Route'))).toEqual([])
})
