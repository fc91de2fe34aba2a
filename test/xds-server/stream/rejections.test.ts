import { expect, test } from 'vitest'
import { CLUSTER, ENDPOINTS, LISTENER, ROUTES, snapshot } from '../../../xds-server/snapshot.ts'
import { GATE_DEADLINE_MS } from '../../../xds-server/stream/gates.ts'
import { cluster, edge, listener, routes, secret } from './resources.ts'
import { RolloutClient } from './rollout-client.ts'

const booted = (...args: Parameters<typeof edge>) => new RolloutClient(edge(...args)).boot()
const BAD_CLUSTER = 'Error adding/updating cluster(s) bad: ring hash: minimum is above maximum'

test('C8 a refused version is not sent again; a new one is', () => {
  const client = booted({ a: '1' }).publish(edge({ a: 'bad' }))
  client.take()
  client.nack(CLUSTER, 'no')
  expect(client.take()).toEqual([])
  client.publish(edge({ a: 'bad' }, [cluster('b')]))
  expect(client.settle()).toEqual(['Cluster +b'])
  expect(client.publish(edge({ a: '3' }, [cluster('b')])).settle()).toContain('Cluster +a')
  expect(client.rollout.synced).toBe(true)
})

test('C8 a refused removal is not repeated', () => {
  const client = new RolloutClient(snapshot([listener('one'), listener('two')])).boot()
  client.publish(snapshot([listener('one')]))
  expect(client.take()).toEqual(['Listener -two'])
  client.nack(LISTENER, 'no')
  expect(client.settle()).toEqual([])
})

test('C24 of a cluster response that was applied in part, the good ones count as held and the bad one waits', () => {
  const client = booted({ a: '1' }).publish(edge({ a: '2', b: '1', bad: '1' }))
  client.take()
  client.subscribe(ENDPOINTS, 'b')
  client.nack(CLUSTER, BAD_CLUSTER)
  expect(client.settle().filter((line) => line.startsWith('Cluster +'))).toEqual([])
  expect(client.held(CLUSTER).map((held) => held.split('@')[0])).toEqual(['a', 'b'])
})

test('C24 of a response that was refused whole, the one whose message is printed is the culprit; the others come again', () => {
  const client = booted({ a: '1' }).publish(edge({ a: '2', b: '1', bad: '1' }))
  client.take()
  client.nack(CLUSTER, 'Proto constraint validation failed (value must be greater than 0s): name: "bad" type: EDS')
  expect(client.take()).toContain('Cluster +a +b')
  client.ack(CLUSTER)
  expect(client.take()).not.toContain('Cluster +bad')
})

test('C24 a name that is printed inside another message is not the culprit', () => {
  const client = new RolloutClient(snapshot([listener('public'), listener('bad')])).ask(LISTENER)
  client.take()
  const printed = 'name: "bad" filter_chains { route_config_name: "public" filters { name: "public" } }'
  client.nack(LISTENER, `Proto constraint validation failed (ListenerValidationError.X): ${printed}`)
  expect(client.settle()).toEqual(['Listener +public'])
})

test('C24 listeners that failed are listed a line each; what a reason mentions is not among them', () => {
  const names = ['one', 'two', 'listener', 'good']
  const client = new RolloutClient(snapshot(names.map((name) => listener(name)))).ask(LISTENER)
  client.take()
  const why = "error adding listener: duplicate address '127.0.0.1:80'"
  client.nack(LISTENER, `Error adding/updating listener(s) one: ${why}\ntwo: ${why}\n`)
  expect(client.held(LISTENER).map((held) => held.split('@')[0])).toEqual(['good', 'listener'])
  expect(client.settle()).toEqual([])
})

test('C24 a rejection that names nothing: one by one until the culprit is found, and together again after it', () => {
  const client = new RolloutClient(snapshot([cluster('a'), cluster('bad'), cluster('c')])).ask(CLUSTER)
  expect(client.take()).toEqual(['Cluster +a +bad +c'])
  client.nack(CLUSTER, 'no')
  expect(client.take()).toEqual(['Cluster +a'])
  client.ack(CLUSTER)
  expect(client.take()).toEqual(['Cluster +bad'])
  client.nack(CLUSTER, 'no')
  expect(client.settle()).toEqual(['Cluster +c'])
  client.publish(snapshot([cluster('a', '2'), cluster('bad', '2'), cluster('c', '2')]))
  expect(client.settle()).toEqual(['Cluster +a +bad +c'])
})

test('C24 after a refused update the last good version is sent once more when it is wanted again', () => {
  const client = booted({ a: '1' }).publish(edge({ a: 'bad' }))
  client.take()
  client.nack(CLUSTER, 'Error adding/updating cluster(s) a: why')
  expect(client.publish(edge({ a: '1' })).settle()).toContain('Cluster +a')
})

test('C24 a refused cluster that leaves the definitions is removed: Envoy may keep a ghost of it that blocks its answers', () => {
  const client = booted({ a: '1' }).publish(edge({ a: '1' }, [cluster('bad')]))
  client.take()
  client.nack(CLUSTER, BAD_CLUSTER)
  expect(client.publish(edge({ a: '1' })).settle()).toEqual(['Cluster -bad'])
  expect(client.settle()).toEqual([])
})

test('C8 a cluster is refused: routes that need it stay on the last good version, what does not need it goes on', () => {
  const other = (needs: string[], content?: string) => [
    listener('other', content),
    routes('other', needs, content),
    secret('tls', content),
  ]
  const client = booted({ a: '1' }, other(['a'])).publish(edge({ a: '1', bad: '1' }, other(['a'], '2')))
  expect(client.take()).toEqual(['Cluster +bad', 'Secret +tls', 'Listener +other', 'RouteConfiguration +other'])
  client.nack(CLUSTER, BAD_CLUSTER)
  expect(client.settle()).toEqual([])
  expect(client.publish(edge({ a: '1', bad: '2' }, other(['a'], '2'))).take()).toEqual(['Cluster +bad'])
  client.subscribe(ENDPOINTS, 'bad')
  expect(client.settle()).toEqual(['ClusterLoadAssignment +bad', 'RouteConfiguration +edge'])
})

test('C31 a client without any routes gets them though one of their clusters was refused', () => {
  const client = new RolloutClient(edge({ a: '1', bad: '1' })).ask(CLUSTER).ask(LISTENER)
  client.take()
  client.subscribe(ROUTES, 'edge').subscribe(ENDPOINTS, 'a')
  expect(client.take()).toEqual(['ClusterLoadAssignment +a'])
  client.ack(ENDPOINTS)
  client.nack(CLUSTER, BAD_CLUSTER)
  expect(client.take()).toEqual(['RouteConfiguration +edge (without bad)'])
})

test('C31 a client without any routes gets them though the endpoints of one cluster were refused', () => {
  const client = new RolloutClient(edge({ a: '1', bad: '1' })).ask(CLUSTER).ask(LISTENER)
  client.take()
  client.subscribe(ROUTES, 'edge').subscribe(ENDPOINTS, 'bad', 'a').take()
  client.ack(ENDPOINTS)
  client.nack(ENDPOINTS, 'malformed IP address: x')
  client.ack(CLUSTER)
  client.now += GATE_DEADLINE_MS
  expect(client.take()).toEqual(['RouteConfiguration +edge (without bad)'])
})

test('C8 what Envoy refused is not synced, yet nothing more is to come', () => {
  const client = booted({ a: '1' })
  expect([client.rollout.synced, client.rollout.atRest]).toEqual([true, true])
  client.publish(edge({ a: 'bad' }))
  expect([client.rollout.synced, client.rollout.atRest]).toEqual([false, false])
  client.take()
  client.ack(ENDPOINTS)
  client.nack(CLUSTER, 'no')
  expect([client.rollout.synced, client.rollout.atRest]).toEqual([false, true])
})
