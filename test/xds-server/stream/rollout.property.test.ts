import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  CLUSTER,
  LISTENER,
  type Resource,
  ROUTES,
  type Snapshot,
  snapshot,
  type TypeUrl,
} from '../../../xds-server/snapshot.ts'
import { GATE_DEADLINE_MS } from '../../../xds-server/stream/gates.ts'
import { Rollout, type Send } from '../../../xds-server/stream/rollout.ts'
import { EnvoyModel, type Fault } from './envoy-model.ts'
import { cluster, endpoints, listener, routes } from './resources.ts'

const hasEndpoints = (name: string) => name < 'c'
const FAULTS: readonly Fault[] = ['whole', 'part', 'mute', 'ghost']
const fault = ({ body }: Resource) => FAULTS.find((kind) => body.value.toString('latin1').includes(kind))

type Step =
  | { readonly at: 'publish'; readonly target: Snapshot }
  | { readonly at: 'server' | 'client'; readonly steps: number; readonly room: number }
  | { readonly at: 'reconnect' | 'settle' }

/** Snapshots of up to four clusters (two with endpoints) and two listeners with routes to the clusters that are there. */
function snapshots(faults: readonly Fault[]): fc.Arbitrary<Snapshot> {
  const content = fc.constantFrom('1', '1', '2', '3', ...faults)
  const named = (names: string[]) => fc.record(Object.fromEntries(names.map((name) => [name, fc.option(content)])))
  const picks = fc.array(fc.constantFrom('a', 'b', 'c', 'd'))
  const listening = fc.constantFrom('1', '1', '2', ...faults.filter((kind) => kind !== 'ghost'))
  const served = fc.option(fc.record({ self: listening, routes: listening, picks }))
  return fc.tuple(named(['a', 'b', 'c', 'd']), served, served).map(([clusters, ...edges]) => {
    const present = Object.entries(clusters).flatMap(([name, version]) =>
      version === null ? [] : [[name, version] as const],
    )
    const items = present.flatMap(([name, version]) => [
      cluster(name, version),
      ...(hasEndpoints(name) ? [endpoints(name)] : []),
    ])
    const served = edges.flatMap((edge, index) => {
      if (edge === null) return []
      const needs = [...new Set(edge.picks)].filter((pick) => present.some(([name]) => name === pick)).sort()
      return [listener(`l${index}`, edge.self), routes(`l${index}`, needs, `${needs.join('')} ${edge.routes}`)]
    })
    return snapshot([...items, ...served])
  })
}

function steps(faults: readonly Fault[]): fc.Arbitrary<Step[]> {
  const size = fc.integer({ min: 1, max: 4 })
  const move = (at: 'server' | 'client') => fc.record({ at: fc.constant(at), steps: size, room: size })
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ at: fc.constant('publish' as const), target: snapshots(faults) }) },
      { weight: 6, arbitrary: move('server') },
      { weight: 6, arbitrary: move('client') },
      { weight: 1, arbitrary: fc.record({ at: fc.constantFrom('reconnect' as const, 'settle' as const) }) },
    ),
    { minLength: 5, maxLength: 60 },
  )
}

/** One Envoy, one rollout and what is on the way between them. */
class World {
  readonly envoy = new EnvoyModel(hasEndpoints, fault)
  now = 0
  /** Clusters that became warm only because Envoy gave up waiting for their endpoints. */
  timeouts = 0
  target: Snapshot
  #rollout: Rollout
  #inbox: Send[] = []

  constructor(target: Snapshot) {
    this.target = target
    this.#rollout = this.#connect()
  }

  step(step: Step): void {
    switch (step.at) {
      case 'publish':
        this.target = step.target
        this.#rollout.retarget(step.target)
        this.#flush(2)
        return
      case 'reconnect':
        this.#rollout = this.#connect()
        return
      case 'settle':
        this.settle()
        return
      case 'server':
        for (let left = step.steps; left > 0; left--) this.#toServer(step.room)
        return
      case 'client':
        for (let left = step.steps; left > 0; left--) this.#toClient()
    }
  }

  /** Delivers everything in both directions, with time where nothing else moves; ends when time moves nothing either. */
  settle(): void {
    for (let round = 0; round < 1_000; round++) {
      const moved = this.#toServer(Infinity) || this.#flush(Infinity) || this.#toClient()
      if (moved) continue
      this.timeouts += this.envoy.fetchTimeout()
      if (this.envoy.outbox.length > 0) continue
      const deadline = this.#rollout.deadline()
      if (deadline === undefined) return
      this.now = Math.max(this.now, deadline)
    }
    throw new Error('the two go on for ever')
  }

  /** Nothing may be missing but what the server says that it did not wait for any longer. */
  checkRoutes(): void {
    for (const { name, needs } of this.envoy.routes.values()) {
      const { clusters, missed, toldTooEarly } = this.envoy
      const missing = needs.filter((need) => ![clusters, missed, toldTooEarly].some((known) => known.has(need)))
      if (missing.length > 0)
        throw new Error(`C26 routes ${name} name ${missing.join(', ')}, which the client does not have`)
    }
  }

  get atRest(): boolean {
    return this.#rollout.atRest
  }

  #connect(): Rollout {
    this.#inbox = []
    this.envoy.connect()
    return new Rollout(this.target, () => this.now)
  }

  #toServer(room: number): boolean {
    const next = this.envoy.outbox.shift()
    if (next === undefined) return false
    this.#rollout.receive(next.type, next.request)
    this.#flush(room)
    return true
  }

  #toClient(): boolean {
    const next = this.#inbox.shift()
    if (next === undefined) return false
    this.envoy.receive(next)
    this.checkRoutes()
    return true
  }

  /** Takes at most so many responses, as a full socket would. */
  #flush(room: number): boolean {
    const before = this.#inbox.length
    if (room > 0)
      for (const send of this.#rollout.next()) {
        this.#inbox.push(send)
        if (this.#inbox.length - before >= room) break
      }
    return this.#inbox.length > before
  }
}

const versions = (held: ReadonlyMap<string, Resource> | undefined) =>
  Object.fromEntries([...(held ?? [])].map(([name, { version }]) => [name, version]))

/** What the client must have in the end: every good resource of the last snapshot; where one was refused, anything but that. */
function checkEnd({ envoy, target }: World): void {
  const wanted = (type: TypeUrl) => target.resources.get(type) ?? new Map<string, Resource>()
  const good = (type: TypeUrl) => new Map([...wanted(type)].filter(([, item]) => fault(item) === undefined))
  const withoutBad = (type: TypeUrl, held: ReadonlyMap<string, Resource>) =>
    new Map([...held].filter(([name]) => good(type).has(name) || !wanted(type).has(name)))

  expect(versions(withoutBad(LISTENER, envoy.listeners))).toEqual(versions(good(LISTENER)))
  const served = new Map([...good(ROUTES)].filter(([name]) => envoy.listeners.has(name)))
  const movable = [...served].filter(([, { needs }]) => needs.every((need) => envoy.clusters.has(need)))
  expect(versions(envoy.routes)).toMatchObject(versions(new Map(movable)))
  const inUse = new Set([...envoy.routes.values()].flatMap(({ needs }) => needs))
  const upToDate = [...envoy.routes].every(([name, { version }]) => wanted(ROUTES).get(name)?.version === version)
  const kept = new Map(
    [...envoy.clusters].filter(([name]) => wanted(CLUSTER).has(name) || (upToDate && !inUse.has(name))),
  )
  expect(versions(withoutBad(CLUSTER, kept))).toEqual(versions(good(CLUSTER)))
  for (const held of [envoy.clusters, envoy.listeners, envoy.routes])
    for (const item of held.values()) expect(fault(item)).toBeUndefined()
}

function runs(start: Snapshot, script: readonly Step[]): World {
  const world = new World(start)
  for (const step of script) world.step(step)
  world.settle()
  // After a reconnect the server may not know what to go back to from a cluster that is never warm; only a new version helps.
  const stuck = script.some(({ at }) => at === 'reconnect') && world.envoy.warming.size > 0
  if (!stuck) checkEnd(world)
  return world
}

test('C26 C27 C28 no routes ever name a cluster that is not there, and the client ends with the last snapshot', () => {
  const property = fc.property(snapshots([]), steps([]), (start, script) => {
    const world = runs(start, script)
    expect(world.atRest).toBe(true)
    expect(world.envoy.missed).toEqual(new Set())
    // A cluster that was cut off between itself and its endpoints: the server believes that the client has both.
    if (!script.some(({ at }) => at === 'reconnect')) expect(world.timeouts).toBe(0)
  })
  fc.assert(property, { seed: 26, numRuns: 800 })
})

test('C8 C24 the same with clusters, listeners and routes that the client refuses: all but those arrive', () => {
  const faults: Fault[] = ['whole', 'part', 'mute']
  const property = fc.property(snapshots(faults), steps(faults), (start, script) => {
    const { missed, refusedClusters } = runs(start, script).envoy
    expect([...missed].filter((name) => !refusedClusters.has(name))).toEqual([])
  })
  fc.assert(property, { seed: 24, numRuns: 800 })
})

test(`C31 the same with clusters that keep every answer back until ${GATE_DEADLINE_MS} ms have passed`, () => {
  const faults: Fault[] = ['ghost', 'part']
  const property = fc.property(snapshots(faults), steps(faults), (start, script) => {
    runs(start, script)
  })
  fc.assert(property, { seed: 31, numRuns: 800 })
})
