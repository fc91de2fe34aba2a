import { expect, test } from 'vitest'
import { CLUSTER, EMPTY, ENDPOINTS, LISTENER, ROUTES, SECRET, snapshot } from '../../../xds-server/snapshot.ts'
import { cluster, edge, endpoints, listener, routes, secret } from './resources.ts'
import { RolloutClient } from './rollout-client.ts'

const booted = (...args: Parameters<typeof edge>) => new RolloutClient(edge(...args)).boot()

test('C2 two streams share nothing: one knows nothing of what the other acknowledged', () => {
  const target = edge({ a: '1' })
  new RolloutClient(target).boot()
  expect(new RolloutClient(target).ask(CLUSTER).settle()).toEqual(['Cluster +a'])
})

test('C4 a nonce of another stream is no answer: the first request counts in full and is answered', () => {
  const client = new RolloutClient(edge({ a: '1' }))
  expect(client.rollout.receive(CLUSTER, { response_nonce: '1' })).toBeUndefined()
  expect(client.take()).toEqual(['Cluster +a'])
})

test('C9 a name that was unsubscribed and is subscribed again is sent again', () => {
  const client = booted({ a: '1' })
  client.unsubscribe(ENDPOINTS, 'a').subscribe(ENDPOINTS, 'a')
  expect(client.settle()).toEqual(['ClusterLoadAssignment +a'])
})

test('C11 a first request without names means everything for clusters and listeners, nothing for the others', () => {
  const client = new RolloutClient(edge({ a: '1' }, [secret('tls')]))
  for (const type of [ENDPOINTS, SECRET, ROUTES]) client.ask(type)
  expect(client.settle()).toEqual([])
  expect(client.ask(CLUSTER).ask(LISTENER).settle()).toEqual(['Cluster +a', 'Listener +edge'])
})

test('C11 a first request with names means those names only; `*` adds the others', () => {
  const client = new RolloutClient(snapshot([cluster('a'), cluster('b'), cluster('c')]))
  expect(client.subscribe(CLUSTER, 'b').settle()).toEqual(['Cluster +b'])
  expect(client.subscribe(CLUSTER, '*').settle()).toEqual(['Cluster +a +c'])
})

test('C11 unsubscribing from `*` leaves the names that were named', () => {
  const client = new RolloutClient(snapshot([cluster('a'), cluster('b')]))
  client.subscribe(CLUSTER, '*', 'a').settle()
  client.unsubscribe(CLUSTER, '*').publish(snapshot([cluster('a', '2'), cluster('b', '2')]))
  expect(client.settle()).toEqual(['Cluster +a'])
})

test('C13 names that do not exist are remembered, and sent when they appear', () => {
  const client = new RolloutClient(EMPTY)
  client.subscribe(ROUTES, 'edge').subscribe(SECRET, 'tls').subscribe(ENDPOINTS, 'a').settle()
  client.publish(edge({ a: '1' }, [secret('tls')]))
  expect(client.settle()).toEqual(['ClusterLoadAssignment +a', 'Secret +tls', 'RouteConfiguration +edge'])
})

test('C14 what exists is answered though other names of the request do not', () => {
  const client = new RolloutClient(snapshot([secret('tls'), endpoints('a')]))
  client.subscribe(SECRET, 'tls', 'none').subscribe(ENDPOINTS, 'none', 'a')
  expect(client.settle()).toContain('Secret +tls')
  expect(client.held(ENDPOINTS)).toHaveLength(2)
})

test('C16 an answer with a stale nonce is no answer, its subscriptions count', () => {
  const client = new RolloutClient(snapshot([endpoints('a'), endpoints('b')]))
  client.subscribe(ENDPOINTS, 'a').settle()
  const stale = { response_nonce: '99', error_detail: { message: 'no' }, resource_names_subscribe: ['b'] }
  expect(client.rollout.receive(ENDPOINTS, stale)).toBeUndefined()
  expect(client.settle()).toEqual(['ClusterLoadAssignment +b'])
})

test('C16 subscriptions that ride on an ACK and on a NACK count', () => {
  const client = new RolloutClient(snapshot([endpoints('a'), endpoints('b'), endpoints('c')]))
  client.subscribe(ENDPOINTS, 'a').take()
  client.ack(ENDPOINTS, { resource_names_subscribe: ['b'] })
  expect(client.take()).toEqual(['ClusterLoadAssignment +b'])
  const error_detail = { message: 'bad address' }
  const [sent] = client.unanswered
  client.rollout.receive(ENDPOINTS, {
    ...{ response_nonce: sent?.nonce ?? '', error_detail },
    ...{ resource_names_subscribe: ['c'], resource_names_unsubscribe: ['a'] },
  })
  expect(client.take()).toEqual(['ClusterLoadAssignment +c'])
  expect(client.held(ENDPOINTS)).toEqual([])
})

test('C17 a subscribed name is sent whatever the client is believed to hold', () => {
  const client = booted({ a: '1' })
  expect(client.subscribe(ENDPOINTS, 'a').settle()).toEqual(['ClusterLoadAssignment +a'])
})

test('C17 a name that is subscribed while its response is on its way is sent once more', () => {
  const client = new RolloutClient(snapshot([endpoints('a')])).subscribe(ENDPOINTS, 'a')
  expect(client.take()).toEqual(['ClusterLoadAssignment +a'])
  client.ack(ENDPOINTS, { resource_names_subscribe: ['a'] })
  expect(client.settle()).toEqual(['ClusterLoadAssignment +a'])
})

test('C18 unsubscribing needs no answer, also from names that were never subscribed', () => {
  const client = booted({ a: '1' })
  expect(client.unsubscribe(ENDPOINTS, 'a', 'phantom').unsubscribe(CLUSTER, 'phantom').settle()).toEqual([])
})

test('C18 a name that is unsubscribed under a wildcard comes once more, or its removal', () => {
  const client = new RolloutClient(snapshot([cluster('a')]))
  client.subscribe(CLUSTER, '*', 'a', 'gone').settle()
  expect(client.unsubscribe(CLUSTER, 'a', 'gone').settle()).toEqual(['Cluster +a -gone'])
})

test('C18 what is unsubscribed while it is on its way does not count as held', () => {
  const client = new RolloutClient(snapshot([endpoints('a')])).subscribe(ENDPOINTS, 'a')
  client.take()
  client.unsubscribe(ENDPOINTS, 'a').ack(ENDPOINTS)
  expect(client.held(ENDPOINTS)).toEqual([])
})

test('C19 what does not exist: clusters and listeners are removed, endpoints empty, secrets and routes silent', () => {
  const client = new RolloutClient(EMPTY)
  for (const type of [CLUSTER, LISTENER, ENDPOINTS, SECRET, ROUTES]) client.subscribe(type, 'none')
  client.take()
  const answers = client.unanswered.map(({ resources, removed }) => [
    resources.map(({ body }) => body.value.toString('hex')),
    removed,
  ])
  // A ClusterLoadAssignment with nothing but its name.
  const empty = Buffer.from('\n\x04none').toString('hex')
  expect(answers).toEqual([
    [[], ['none']],
    [[empty], []],
    [[], ['none']],
  ])
})

test('C20 the first wildcard request is answered with nothing where there is nothing, and once', () => {
  const client = new RolloutClient(EMPTY).ask(CLUSTER).ask(LISTENER)
  expect(client.settle()).toEqual(['Cluster', 'Listener'])
  expect(client.ask(CLUSTER).settle()).toEqual([])
})

test('C42 a snapshot of the same content sends nothing, whatever the order of its resources', () => {
  const items = [cluster('a'), endpoints('a'), listener('edge'), routes('edge', ['a'])]
  const client = new RolloutClient(snapshot(items)).boot()
  const again = snapshot(items.toReversed())
  expect(again.revision).toBe(client.rollout.target.revision)
  expect(client.publish(again).settle()).toEqual([])
})
