import { renameSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { halfHash, rowId } from '../../../ext-authz/audit/keys.ts'
import { rowOf } from '../../../ext-authz/audit/projection.ts'
import { NO_ROOT, readLeaves, verifyRoot } from '../../../ext-authz/audit/roots.ts'
import { openSigningKey } from '../../../ext-authz/audit/signing-key.ts'
import { LETTERS_FOLDER } from '../../../ext-authz/recorder/dead-letters.ts'
import type { Recorder } from '../../../ext-authz/recorder/recorder.ts'
import { replayDeadLetters } from '../../../ext-authz/recorder/replay.ts'
import type { AuditRow } from '../../../ext-authz/store/audit-row.ts'
import { endedLog, rotatedLog } from '../../../runtime/access-log-names.ts'
import { decisionJson, type LineMembers, lineJson } from './halves.ts'
import { type Fate, Killed, MemoryStore, NO_MAINTAINER } from './memory-store.ts'
import { TEST_NODE, type TestNode, testNode } from './recording.ts'

/** More by hand: RUNS=1000. */
const RUNS = Number(process.env['RUNS'] ?? 40)

/** Decisions that may wait: so few that some are written open early, or as many as there are. */
const FEW = 3
const MANY = 1_000

/** How far a worker's clock may be wrong. */
const HOUR_MS = 3_600_000

/** The memory store refuses what has it. */
const POISON = 'poison'

/** A request as the test made it. */
interface Sent {
  readonly id: string
  readonly at: number
  /** Decisions by event id, in the order in which they were made. */
  readonly decisions: Map<string, string>
  line: string | undefined
  /** False once its Envoy has ended: nobody will complete it. */
  alive: boolean
}

type Step =
  | { readonly do: 'request'; readonly workers: readonly number[]; readonly skewed: boolean }
  | { readonly do: 'alone' }
  | { readonly do: 'complete'; readonly which: number; readonly poison: boolean }
  | { readonly do: 'too-late'; readonly which: number }
  | { readonly do: 'rotate' }
  | { readonly do: 'end' }
  | { readonly do: 'wait'; readonly seconds: number }
  | { readonly do: 'round' }
  | { readonly do: 'kill'; readonly afterClockReadings: number }
  | { readonly do: 'fate'; readonly fate: Fate }

const worker = fc.nat({ max: 1 })
const which = fc.nat({ max: 40 })
const seldom = fc.nat({ max: 9 }).map((number) => number === 0)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('request' as const),
        workers: fc.array(worker, { minLength: 1, maxLength: 2 }),
        skewed: seldom,
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('alone' as const) }) },
    { weight: 7, arbitrary: fc.record({ do: fc.constant('complete' as const), which, poison: seldom }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('too-late' as const), which }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('rotate' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1, 6, 31, 70) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('round' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('kill' as const), afterClockReadings: fc.nat({ max: 12 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('fate' as const),
        fate: fc.constantFrom<Fate>('away-before', 'away-after', 'dies-before', 'dies-after'),
      }),
    },
  ),
  { minLength: 10, maxLength: 70 },
)

/** Everything that can happen to a node, with the recorder on a clock that may kill it whenever it looks. */
class World {
  readonly store = new MemoryStore()
  readonly sent: Sent[] = []
  readonly #node: TestNode
  readonly #waiting: number
  #recorder: Recorder | undefined
  #offset = 0
  #killIn = Number.POSITIVE_INFINITY
  #fate: Fate = 'well'

  constructor(node: TestNode, waiting: number) {
    this.#node = node
    this.#waiting = waiting
    // Envoy opens its log before the first request.
    node.log()
    this.store.poison = ({ response_headers: headers }) => JSON.stringify(headers)?.includes(POISON) ?? false
    this.store.fate = () => {
      const fate = this.#fate
      this.#fate = 'well'
      return fate
    }
  }

  now = (): number => Date.now() + this.#offset

  async step(step: Step): Promise<void> {
    switch (step.do) {
      case 'request':
        return this.#request(step.workers, step.skewed)
      case 'alone':
        return void this.#complete(this.#begin())
      case 'complete':
        return void this.#completeOne(step.which, step.poison)
      case 'too-late':
        return this.#decideTooLate(step.which)
      case 'rotate':
        return this.#rename(rotatedLog)
      case 'end':
        this.#rename(endedLog)
        for (const request of this.sent) request.alive = false
        return
      case 'wait':
        this.#offset += step.seconds * 1000
        return
      case 'round':
        return this.#round()
      case 'kill':
        this.#killIn = step.afterClockReadings
        await this.#round()
        return this.#die()
      case 'fate':
        this.#fate = step.fate
    }
  }

  /** Until nothing is left to do: a minute passes, and everything that waits is due. */
  async settle(): Promise<void> {
    for (let minute = 0; minute < 2; minute++) {
      this.#offset += 60_000
      for (let rounds = 0; rounds < 20; rounds++) await this.#round()
    }
    await this.#recorder?.close()
  }

  /** What was refused is mended, and comes back. */
  async replay(): Promise<void> {
    this.store.poison = () => false
    this.store.fate = () => 'well'
    expect((await replayDeadLetters(join(this.#node.folder, LETTERS_FOLDER), this.store)).kept).toEqual([])
  }

  async #round(): Promise<void> {
    try {
      this.#recorder ??= await this.#node.recorder({
        writer: this.store,
        maintainer: NO_MAINTAINER,
        batch: { rows: 3, ms: 5_000, most: 4 },
        waiting: { decisions: this.#waiting, bytes: 1_000_000 },
        now: () => this.#clock(),
      })
      await this.#recorder.round()
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      this.#die()
    }
  }

  #clock(): number {
    if (this.#killIn-- <= 0) throw new Killed()
    return this.now()
  }

  #die(): void {
    this.#recorder = undefined
    this.#killIn = Number.POSITIVE_INFINITY
  }

  #begin(): Sent {
    this.#offset += 1
    const number = this.sent.length
    const request: Sent = {
      id: `request-${number}`,
      at: this.now() * 1000 + (number % 1000),
      decisions: new Map(),
      line: undefined,
      alive: true,
    }
    this.sent.push(request)
    return request
  }

  async #request(workers: readonly number[], skewed: boolean): Promise<void> {
    const request = this.#begin()
    for (const worker of workers) await this.#decide(request, worker, skewed ? HOUR_MS : 0)
  }

  async #decide(request: Sent, worker: number, skewMs = 0): Promise<void> {
    this.#offset += 1
    const json = decisionJson(request.id, {
      at: request.at,
      decided_at: (this.now() + skewMs) * 1000,
      path: `/${worker}`,
    })
    request.decisions.set(await this.#node.decide(json, worker), json)
  }

  #completeOne(which: number, poison: boolean): void {
    const open = this.sent.filter(({ line, alive }) => line === undefined && alive)
    const request = open[which % Math.max(open.length, 1)]
    if (request !== undefined) this.#complete(request, poison ? { content_type: POISON } : {})
  }

  #complete(request: Sent, members: LineMembers = {}): void {
    const { id, at, decisions } = request
    const event = [...decisions.keys()].at(-1)
    const alone = event === undefined ? { upstream_host: null, status: 404, details: 'route_not_found' } : { event }
    request.line = lineJson(id, { at, total_us: Math.max(this.now() * 1000 - at, 1), ...alone, ...members })
    this.#node.log(request.line)
  }

  /** A worker that was stopped writes its decision after Envoy has gone elsewhere and the answer is logged. */
  async #decideTooLate(which: number): Promise<void> {
    const over = this.sent.filter(({ line }) => line !== undefined)
    const request = over[which % Math.max(over.length, 1)]
    if (request !== undefined) await this.#decide(request, 1)
  }

  #rename(to: (epochMs: number) => string): void {
    this.#offset += 2
    renameSync(this.#node.accessLog, join(this.#node.logFolder, to(this.now())))
    this.#offset += 1_001
    this.#node.log()
  }
}

/** What the row of a request must be. */
function expectedRow(request: Sent, found: AuditRow | undefined, crowded: boolean): AuditRow {
  const line = request.line === undefined ? undefined : Buffer.from(request.line)
  const decision = shownDecision(request, found, crowded)
  return rowOf(TEST_NODE, decision, line, expectedOutcome(request, decision))
}

/**
 * The decision that Envoy names. Where it names none, any of the request's may be shown; also where too many waited, so that one was
 * written before the next was read.
 */
function shownDecision({ decisions, line }: Sent, found: AuditRow | undefined, crowded: boolean) {
  const named = line === undefined ? undefined : ((JSON.parse(line) as { event: string | null }).event ?? undefined)
  const event = crowded ? (found?.event_id ?? named) : (named ?? found?.event_id)
  const json = decisions.get(event ?? '')
  return event === undefined || json === undefined ? undefined : { event, json: Buffer.from(json) }
}

function expectedOutcome({ line, alive }: Sent, decision: object | undefined) {
  if (line === undefined) return alive ? 'open' : 'unknown'
  return decision === undefined ? 'envoy' : 'completed'
}

function checkRows(world: World, crowded: boolean): void {
  const key = ({ at, id }: Sent) => `${at} ${rowId(TEST_NODE, id)}`
  expect([...world.store.rows.keys()].toSorted()).toEqual(world.sent.map(key).toSorted())
  for (const request of world.sent) {
    const found = world.store.rows.get(key(request))
    expect(found).toEqual(expectedRow(request, found, crowded))
  }
}

async function checkRoots(world: World, folder: string): Promise<void> {
  const key = await openSigningKey(folder)
  let previous = NO_ROOT
  let number = 0
  const leaves = new Set<string>()
  const certain = new Set<string>()
  for (const root of world.store.roots.values()) {
    number += 1
    expect(root.number).toBe(number)
    expect(verifyRoot(root, key.public, previous)).toBeUndefined()
    previous = root.root
    for (const { kind, timestamp, id, hash } of readLeaves(root.leaves)) {
      const half = `${timestamp} ${id} ${hash.toString('hex')}`
      leaves.add(half)
      if (kind !== 'superseded') certain.add(half)
    }
  }
  const shown = new Set<string>()
  for (const { timestamp, id, decision_hash, completion_hash } of world.store.rows.values()) {
    for (const hash of [decision_hash, completion_hash]) {
      if (hash !== undefined) shown.add(`${timestamp} ${id} ${hash.toString('hex')}`)
    }
  }
  expect(
    [...shown].filter((half) => !leaves.has(half)),
    'halves without a leaf',
  ).toEqual([])
  expect(
    [...certain].filter((half) => !shown.has(half)),
    'leaves without a half',
  ).toEqual([])
  const decided = world.sent.flatMap(({ at, id, decisions }) =>
    [...decisions.values()].map(
      (json) => `${at} ${rowId(TEST_NODE, id)} ${halfHash(Buffer.from(json)).toString('hex')}`,
    ),
  )
  expect(
    decided.filter((half) => !leaves.has(half)),
    'decisions without a leaf',
  ).toEqual([])
}

test('AU-1 every request is one right row, and every half is signed, whatever dies and whenever', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom(FEW, MANY), async (todo, waiting) => {
      // Segments of a few records, so that they are deleted.
      const node = testNode(TEST_NODE, 4_096)
      const world = new World(node, waiting)
      for (const step of todo) await world.step(step)
      await world.settle()
      await world.replay()
      checkRows(world, waiting === FEW)
      await checkRoots(world, node.folder)
    }),
    { numRuns: RUNS },
  )
})
