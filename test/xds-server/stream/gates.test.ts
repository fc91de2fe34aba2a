import { describe, expect, test } from 'vitest'
import { CLUSTER, ENDPOINTS, ROUTES, snapshot } from '../../../xds-server/snapshot.ts'
import { GATE_DEADLINE_MS } from '../../../xds-server/stream/gates.ts'
import { ANSWER_DEADLINE_MS } from '../../../xds-server/stream/withdrawals.ts'
import { cluster, edge, endpoints, listener, routes } from './resources.ts'
import { RolloutClient } from './rollout-client.ts'

const booted = (...args: Parameters<typeof edge>) => new RolloutClient(edge(...args)).boot()

describe('what routes wait for', () => {
  test('C31 the gate is per dependency: other routes do not wait for a cluster that only one needs', () => {
    const before = snapshot([cluster('a'), listener('x'), listener('y'), routes('x', ['a']), routes('y', ['a'])])
    const after = snapshot([
      ...[cluster('a'), cluster('b'), listener('x'), listener('y')],
      ...[routes('x', ['a', 'b']), routes('y', ['a'], '2')],
    ])
    const client = new RolloutClient(before).boot().publish(after)
    expect(client.take()).toEqual(['Cluster +b', 'RouteConfiguration +y'])
    client.ack(ROUTES)
    client.ack(CLUSTER)
    expect(client.take()).toEqual(['RouteConfiguration +x'])
  })

  test('C28 a cluster that gets its addresses by name from now on keeps its old endpoints until it is warm', () => {
    const target = snapshot([cluster('a', 'by name'), listener('edge'), routes('edge', ['a'])])
    const client = booted({ a: '1' }).publish(target)
    expect(client.settle()).toEqual(['Cluster +a'])
  })

  test('routes that the client has wait for a refused cluster 25 s: time to mend it', () => {
    const client = booted({ a: '1' }).publish(edge({ a: '1', bad: '1' }))
    client.take()
    client.nack(CLUSTER, 'Error adding/updating cluster(s) bad: no')
    expect(client.take()).toEqual([])
    expect(client.rollout.atRest).toBe(false)
    client.publish(edge({ a: '1', bad: 'mended' }))
    expect(client.take()).toEqual(['Cluster +bad'])
    client.subscribe(ENDPOINTS, 'bad')
    expect(client.settle()).toEqual(['ClusterLoadAssignment +bad', 'RouteConfiguration +edge'])
  })
})

describe('C31 deadlines', () => {
  test('a new cluster that is not answered for is taken back after 20 s, what waits for it goes without after 25 s', () => {
    const client = booted({ a: '1' }).publish(edge({ a: '1', ghost: '1' }))
    expect(client.take()).toEqual(['Cluster +ghost'])
    expect(client.rollout.deadline()).toBe(ANSWER_DEADLINE_MS)
    client.now = ANSWER_DEADLINE_MS - 1
    expect(client.take()).toEqual([])
    client.now = ANSWER_DEADLINE_MS
    expect(client.take()).toEqual(['Cluster -ghost (withdrawn)'])
    client.now = GATE_DEADLINE_MS
    expect(client.take()).toEqual(['RouteConfiguration +edge (without ghost)'])
    expect(client.rollout.synced).toBe(false)
  })

  test('the NACK that the removal sets free names the culprit: the others of that response come back', () => {
    const client = booted({ a: '1' }).publish(edge({ a: '1', ghost: '1', good: '1' }))
    client.take()
    client.now = ANSWER_DEADLINE_MS
    expect(client.take()).toContain('Cluster -ghost -good (withdrawn)')
    client.nack(CLUSTER, 'Error adding/updating cluster(s) ghost: ring hash: minimum_ring_size > maximum_ring_size')
    client.ack(CLUSTER)
    expect(client.take()).toEqual(['Cluster +good'])
    expect(client.settle()).toEqual([])
  })

  test('a late ACK says that Envoy was merely slow: the cluster is sent again', () => {
    const client = booted({ a: '1' }).publish(edge({ a: '1', slow: '1' }))
    client.take()
    client.now = ANSWER_DEADLINE_MS
    client.take()
    client.ack(CLUSTER)
    client.ack(CLUSTER)
    expect(client.take()).toEqual(['Cluster +slow'])
  })

  test('a changed cluster that is not answered for goes back to what Envoy had, with its endpoints', () => {
    const client = booted({ a: '1' })
    const [before] = client.held(CLUSTER)
    client.publish(edge({ a: 'ghost' }))
    client.take()
    client.ack(ENDPOINTS)
    client.now = ANSWER_DEADLINE_MS
    expect(client.take()).toEqual(['Cluster +a (withdrawn)', 'ClusterLoadAssignment +a'])
    client.nack(CLUSTER, 'Error adding/updating cluster(s) a: no')
    expect(client.settle()).toEqual([])
    expect(client.held(CLUSTER)).toEqual([before])
    expect(client.rollout.synced).toBe(false)
  })

  test('a fixed version goes out though the broken one was never answered', () => {
    const client = booted({ a: '1' }).publish(edge({ a: '1', ghost: '1' }))
    client.take()
    client.now = ANSWER_DEADLINE_MS
    client.take()
    const [, removal] = client.unanswered
    client.rollout.receive(CLUSTER, { response_nonce: removal?.nonce ?? '' })
    expect(client.publish(edge({ a: '1', ghost: '2' })).take()).toEqual(['Cluster +ghost'])
  })

  test('endpoints that are never acknowledged hold routes for 25 s, no longer', () => {
    const client = booted({ a: '1' }).publish(edge({ a: '1', b: '1' }))
    client.take()
    client.subscribe(ENDPOINTS, 'b').take()
    client.ack(CLUSTER)
    client.now = 5_000
    expect(client.take()).toEqual([])
    expect(client.rollout.deadline()).toBe(GATE_DEADLINE_MS)
    client.now = GATE_DEADLINE_MS
    expect(client.take()).toEqual(['RouteConfiguration +edge (without b)'])
  })

  test('each cluster has its own 25 s, however often the definitions change meanwhile', () => {
    const client = booted({ a: '1' }).publish(edge({ a: '1', b: '1' }))
    client.take()
    client.now = 15_000
    client.publish(edge({ a: '1', b: '1', c: '1' }))
    client.take()
    client.now = ANSWER_DEADLINE_MS
    expect(client.take()).toEqual(['Cluster -b (withdrawn)'])
    client.now = 15_000 + GATE_DEADLINE_MS
    expect(client.take()).toContain('RouteConfiguration +edge (without b c)')
  })

  test('routes that already go to a broken cluster do not wait for it again', () => {
    const client = booted({ a: '1' }).publish(edge({ a: '1', ghost: '1' }))
    client.take()
    client.now = GATE_DEADLINE_MS
    client.take()
    client.ack(ROUTES)
    const more = snapshot([
      ...[cluster('a'), endpoints('a'), cluster('ghost'), endpoints('ghost'), listener('edge')],
      routes('edge', ['a', 'ghost'], 'more'),
    ])
    expect(client.publish(more).take()).toEqual(['RouteConfiguration +edge'])
  })

  test('nothing is due when nothing waits', () => {
    expect(booted({ a: '1' }).rollout.deadline()).toBeUndefined()
  })
})
