import { expect, test } from 'vitest'
import { CLUSTER, EMPTY, ENDPOINTS, LISTENER, ROUTES, SECRET, snapshot } from '../../../xds-server/snapshot.ts'
import { cluster, edge, endpoints, listener, routes, secret } from './resources.ts'
import { RolloutClient } from './rollout-client.ts'

const booted = (...args: Parameters<typeof edge>) => new RolloutClient(edge(...args)).boot()

test('C25 a client that asks for everything at once gets clusters, endpoints, secrets, listeners, then routes', () => {
  const client = new RolloutClient(edge({ a: '1' }, [secret('tls')]))
  client.subscribe(ROUTES, 'edge').ask(LISTENER).subscribe(SECRET, 'tls').subscribe(ENDPOINTS, 'a').ask(CLUSTER)
  const lines = client.settle()
  expect(lines).toEqual([
    'Cluster +a',
    'ClusterLoadAssignment +a',
    'Secret +tls',
    'Listener +edge',
    'RouteConfiguration +edge',
  ])
})

test('C27 a cluster and its route are added: endpoints flow at once, the route waits for both acknowledgements', () => {
  const client = booted({ a: '1' }).publish(edge({ a: '1', b: '1' }))
  expect(client.take()).toEqual(['Cluster +b'])
  expect(client.subscribe(ENDPOINTS, 'b').take()).toEqual(['ClusterLoadAssignment +b'])
  client.ack(CLUSTER)
  expect(client.take()).toEqual([])
  client.ack(ENDPOINTS)
  expect(client.take()).toEqual(['RouteConfiguration +edge'])
})

test('C27 a cluster without endpoints of ours is warm when it is acknowledged', () => {
  const withDns = (needs: string[], ...names: string[]) =>
    snapshot([...names.map((name) => cluster(name)), listener('edge'), routes('edge', needs)])
  const client = new RolloutClient(withDns(['a'], 'a')).boot().publish(withDns(['a', 'b'], 'a', 'b'))
  expect(client.settle()).toEqual(['Cluster +b', 'RouteConfiguration +edge'])
})

test('C26 a route is retargeted and its old cluster removed: add, move, and remove only when the move is known', () => {
  const client = booted({ a: '1' }).publish(edge({ b: '1' }))
  expect(client.take()).toEqual(['Cluster +b'])
  client.subscribe(ENDPOINTS, 'b').take()
  client.ack(ENDPOINTS)
  client.ack(CLUSTER)
  expect(client.take()).toEqual(['RouteConfiguration +edge'])
  expect(client.take()).toEqual([])
  client.ack(ROUTES)
  expect(client.take()).toEqual(['Cluster -a'])
})

test('C26 a route that is refused keeps its old cluster', () => {
  const client = booted({ a: '1', b: '1' }).publish(edge({ a: '1' }))
  expect(client.take()).toEqual(['RouteConfiguration +edge'])
  client.nack(ROUTES, 'missing ]: [')
  expect(client.settle()).toEqual([])
  client.publish(edge({ a: '1' }, [routes('other', ['a'])]))
  expect(client.settle()).toEqual([])
  expect(client.held(CLUSTER)).toHaveLength(2)
})

test('C26 a cluster that routes on their way to the client need stays until they are answered', () => {
  const spare = [cluster('b'), endpoints('b')]
  const client = booted({ a: '1' }, spare).publish(edge({ a: '1', b: '1' }))
  expect(client.take()).toEqual(['RouteConfiguration +edge'])
  client.publish(edge({ a: '1' }))
  expect(client.take()).toEqual([])
  client.ack(ROUTES)
  expect(client.settle()).toEqual(['RouteConfiguration +edge', 'Cluster -b'])
})

test('C26 a listener is removed: its cluster stays until the client lets go of its routes', () => {
  const before = snapshot([cluster('a'), listener('one'), listener('two'), routes('one', []), routes('two', ['a'])])
  const client = new RolloutClient(before).boot().publish(snapshot([listener('one'), routes('one', [])]))
  expect(client.take()).toEqual(['Listener -two'])
  client.ack(LISTENER)
  expect(client.take()).toEqual([])
  expect(client.unsubscribe(ROUTES, 'two').settle()).toEqual(['Cluster -a'])
})

test('C26 a listener leaves in the response in which another comes: Envoy removes first, so it may have its port', () => {
  const client = booted({ a: '1' }).publish(snapshot([cluster('a'), endpoints('a'), listener('renamed')]))
  expect(client.take()).toEqual(['Listener +renamed -edge'])
  client.nack(LISTENER, 'no')
  expect(client.settle()).toEqual(['Listener -edge'])
})

test('C26 a cluster whose removal is on its way does not count as there when it comes back', () => {
  const client = booted({ a: '1', b: '1' }).publish(edge({ a: '1' }))
  expect(client.take()).toEqual(['RouteConfiguration +edge'])
  client.ack(ROUTES)
  expect(client.take()).toEqual(['Cluster -b'])
  client.publish(edge({ a: '1', b: '1' }))
  expect(client.take()).toEqual([])
  client.ack(CLUSTER)
  expect(client.take()).toEqual(['Cluster +b', 'ClusterLoadAssignment +b'])
  client.ack(ENDPOINTS)
  expect(client.take()).toEqual([])
  client.ack(CLUSTER)
  expect(client.take()).toEqual(['RouteConfiguration +edge'])
})

test('C28 an updated cluster is followed by its endpoints in the same burst; its routes go on', () => {
  const client = booted({ a: '1', b: '1' }).publish(edge({ a: '2', b: '1' }))
  expect(client.take()).toEqual(['Cluster +a', 'ClusterLoadAssignment +a'])
})

test('C28 endpoints follow an updated cluster also when the socket is full after the cluster', () => {
  const client = booted({ a: '1' }).publish(edge({ a: '2' }))
  for (const send of client.rollout.next()) {
    client.unanswered.push(send)
    break
  }
  expect(client.take()).toEqual(['ClusterLoadAssignment +a'])
})

test('C28 endpoints that were on their way before the cluster was updated are sent once more', () => {
  const before = edge({ a: '1' })
  const client = new RolloutClient(before).boot()
  client.subscribe(ENDPOINTS, 'a')
  expect(client.take()).toEqual(['ClusterLoadAssignment +a'])
  client.publish(edge({ a: '2' }))
  expect(client.take()).toEqual(['Cluster +a'])
  client.ack(ENDPOINTS)
  expect(client.take()).toEqual(['ClusterLoadAssignment +a'])
})

test('C23 a snapshot is superseded mid-way: one response at a time, then the newest, never the one between', () => {
  const client = booted({ a: '1' }).publish(edge({ a: '2' }))
  client.take()
  client.publish(edge({ a: '3' }))
  client.publish(edge({ a: '4', b: '1' }))
  expect(client.take()).toEqual([])
  client.ack(CLUSTER)
  client.take()
  const [{ resources = [] } = {}] = client.unanswered.filter(({ type }) => type === CLUSTER)
  expect(resources.map(({ name, body }) => [name, body.value.at(-1)])).toEqual([
    ['a', '4'.charCodeAt(0)],
    ['b', '1'.charCodeAt(0)],
  ])
})

test('C23 a change that is taken back before it was acknowledged is taken back on the client, too', () => {
  const client = booted({ a: '1' }).publish(edge({ a: '2' }))
  client.take()
  client.publish(edge({ a: '1' }))
  client.ack(CLUSTER)
  expect(client.take()).toContain('Cluster +a')
})

test('C23 endpoints, secrets and routes go one a response, one unanswered response a name', () => {
  const client = new RolloutClient(snapshot([secret('one'), secret('two')])).subscribe(SECRET, 'one', 'two')
  expect(client.take()).toEqual(['Secret +one', 'Secret +two'])
  client.publish(snapshot([secret('one', '2'), secret('two')]))
  expect(client.take()).toEqual([])
  client.ack(SECRET)
  expect(client.take()).toEqual(['Secret +one'])
})

test('C23 what is not taken is not sent: it comes with the next call', () => {
  const client = new RolloutClient(snapshot([secret('one'), secret('two')])).subscribe(SECRET, 'one', 'two')
  for (const send of client.rollout.next()) {
    client.unanswered.push(send)
    break
  }
  expect(client.take()).toEqual(['Secret +two'])
})

test('C19 nothing at all is a snapshot like any other: everything goes, clusters last', () => {
  const client = booted({ a: '1' }).publish(EMPTY)
  expect(client.take()).toEqual(['Listener -edge'])
  client.unsubscribe(ROUTES, 'edge').ack(LISTENER)
  expect(client.settle()).toEqual(['Cluster -a'])
})

test('C28 a cluster that leaves with its endpoints while they are subscribed gets an empty assignment, no silence', () => {
  const client = booted({ a: '1' }).publish(edge({ a: '1' }, [cluster('b'), endpoints('b')]))
  client.take()
  client.publish(edge({ a: '1' })).subscribe(ENDPOINTS, 'b')
  expect(client.take()).toEqual(['ClusterLoadAssignment +b'])
})
