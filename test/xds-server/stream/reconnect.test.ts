import { expect, test } from 'vitest'
import {
  CLUSTER,
  ENDPOINTS,
  LISTENER,
  ROUTES,
  SECRET,
  type Snapshot,
  snapshot,
  type TypeUrl,
} from '../../../xds-server/snapshot.ts'
import { ANSWER_DEADLINE_MS } from '../../../xds-server/stream/withdrawals.ts'
import { cluster, edge, endpoints, listener, secret } from './resources.ts'
import { RolloutClient } from './rollout-client.ts'

const booted = (...args: Parameters<typeof edge>) => new RolloutClient(edge(...args)).boot()

const versions = (client: RolloutClient, type: TypeUrl) =>
  Object.fromEntries(client.held(type).map((held) => held.split('@')))

/** Asks as Envoy does after a reconnect: all types at once, each with what it holds. */
function reconnected(from: RolloutClient, target: Snapshot): RolloutClient {
  const client = new RolloutClient(target)
  for (const type of [CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET]) {
    const initial = versions(from, type)
    const named = type === CLUSTER || type === LISTENER ? [] : Object.keys(initial)
    client.ask(type, { initial_resource_versions: initial, resource_names_subscribe: named })
  }
  return client
}

test('C15 what the client still holds is not sent again; the wildcard types still get their answer', () => {
  const target = edge({ a: '1', b: '1' }, [secret('tls')])
  expect(reconnected(new RolloutClient(target).boot(), target).settle()).toEqual(['Cluster', 'Listener'])
})

test('C15 what differs is sent, with the endpoints of a changed cluster (C28)', () => {
  const client = reconnected(booted({ a: '1', b: '1' }), edge({ a: '2', b: '1' }))
  expect(client.settle()).toEqual(['Cluster +a', 'ClusterLoadAssignment +a', 'Listener'])
})

test('C15 names held but gone come back as removed, clusters only when no routes need them any more (C26)', () => {
  const client = reconnected(booted({ a: '1', b: '1' }, [listener('old')]), edge({ a: '1' }))
  expect(client.take()).toEqual(['Cluster', 'Listener -old', 'RouteConfiguration +edge'])
  client.ack(CLUSTER)
  expect(client.take()).toEqual([])
  client.ack(LISTENER)
  expect(client.take()).toEqual([])
  client.ack(ROUTES)
  expect(client.take()).toEqual(['Cluster -b'])
})

test('C26 routes of a version that is unknown may need any cluster: none is removed before they changed', () => {
  const before = booted({ a: '1', b: '1' })
  const client = reconnected(before, edge({ a: '1' }))
  client.publish(edge({ c: '1' }))
  expect(client.take()).toEqual(['Cluster +c', 'Listener'])
  client.ack(LISTENER)
  expect(client.take()).toEqual([])
  client.subscribe(ENDPOINTS, 'c')
  expect(client.settle()).toEqual(['ClusterLoadAssignment +c', 'RouteConfiguration +edge', 'Cluster -a -b'])
})

test('C30 routes that are asked for before clusters are answered at once', () => {
  const client = new RolloutClient(edge({ a: '1' }))
  expect(client.subscribe(ROUTES, 'edge').take()).toEqual(['RouteConfiguration +edge'])
  expect(client.subscribe(ENDPOINTS, 'a').take()).toEqual(['ClusterLoadAssignment +a'])
})

test('C31 after a reconnect, too, an update that is not answered for is taken back to what the client had', () => {
  const target = edge({ a: '1' })
  const client = reconnected(new RolloutClient(target).boot(), target)
  client.settle()
  client.publish(edge({ a: 'ghost' })).take()
  client.now = ANSWER_DEADLINE_MS
  expect(client.take()).toContain('Cluster +a (withdrawn)')
})

test('C26 routes that a later snapshot knows again keep no cluster that they do not need', () => {
  const client = reconnected(booted({ a: '1' }), snapshot([cluster('a'), endpoints('a'), cluster('x')]))
  expect(client.take()).toContain('Cluster +x')
  client.publish(edge({ a: '1' }))
  expect(client.settle()).toContain('Cluster -x')
})
