import { expect, test } from 'vitest'
import { isCompletion, readCompletion } from '../../../ext-authz/audit/completion.ts'
import type { Decision } from '../../../ext-authz/audit/decision.ts'
import { readDecision } from '../../../ext-authz/audit/projection.ts'
import type { Entry } from '../../../ext-authz/recorder/entry.ts'
import { leavesOf } from '../../../ext-authz/recorder/entry.ts'
import { Join, type JoinState } from '../../../ext-authz/recorder/join.ts'
import { BEGINNING, decisionJson, type LineMembers, lineJson } from './halves.ts'

const SECOND = 1_000_000
const FRESH: JoinState = { logTime: 0, endedBefore: 0, openedUntil: 0 }

/** A join and what it made. */
class Bench {
  readonly told: string[] = []
  readonly settled: string[] = []
  readonly doubted: string[] = []
  readonly join: Join

  constructor({ state = FRESH, decisions = 1_000, bytes = 1_000_000 } = {}) {
    this.join = new Join({
      node: 'node-1',
      state,
      limits: { decisions, bytes },
      told: (event) => this.told.push(event),
    })
  }

  decide(id: string, event: string, changes: Partial<Decision> = {}, sure?: boolean): void {
    const json = Buffer.from(decisionJson(id, changes))
    const { at, request_id: requestId, decided_at: decidedAt, verdict } = readDecision(json)
    this.join.decision({
      event,
      json,
      at,
      requestId,
      decidedAt,
      verdict,
      sure,
      settle: () => this.settled.push(event),
      doubt: () => this.doubted.push(event),
    })
  }

  complete(id: string | null, members: LineMembers & { at?: number } = {}): boolean {
    const line = Buffer.from(lineJson(id, members))
    const read = readCompletion(line)
    if (!isCompletion(read)) throw new Error(read.unreadable)
    return this.join.completion(line, read)
  }

  /** What was made since the last call, in short. */
  made(): string[] {
    return this.join.take().entries.map(brief)
  }
}

/** `row completed e1+line` */
function brief(entry: Entry): string {
  const halves = [entry.decision?.event, entry.kind !== 'superseded' && entry.line !== undefined ? 'line' : undefined]
  const outcome = entry.kind === 'row' ? ` ${entry.outcome}` : entry.kind === 'late' ? ` or ${entry.otherwise}` : ''
  const unsure = entry.kind === 'row' && !entry.sure ? ' unsure' : ''
  return `${entry.kind}${outcome} ${halves.filter((half) => half !== undefined).join('+')}${unsure}`
}

test('AU-1 a decision and its completion are one row', () => {
  const bench = new Bench()
  bench.decide('r', 'e1')
  expect(bench.made()).toEqual([])
  bench.complete('r', { event: 'e1' })
  expect(bench.made()).toEqual(['row completed e1+line'])
  expect(bench.settled).toEqual(['e1'])
})

test('AU-1 of a Check that two workers decided, the row has the one that Envoy names, and the other’s hash is kept', () => {
  const bench = new Bench()
  bench.decide('r', 'a.1')
  bench.decide('r', 'b.1', { decided_at: BEGINNING + 500_000 })
  bench.complete('r', { event: 'a.1' })
  const { entries } = bench.join.take()
  expect(entries.map(brief)).toEqual(['superseded b.1', 'row completed a.1+line'])
  expect(leavesOf(entries).map(({ kind }) => kind)).toEqual(['superseded', 'decision', 'completion'])
  expect(bench.settled.toSorted()).toEqual(['a.1', 'b.1'])
})

test.each<[string, LineMembers & { at?: number }, string]>([
  ['Envoy answers alone', { upstream_host: null, status: 404 }, 'envoy'],
  ['the spool was full and the route may go on', { audit: 'skipped' }, 'skipped'],
  ['the spool was full and the route may not go on', { audit: 'refused', upstream_host: null, status: 503 }, 'envoy'],
  ['an upstream was contacted and nobody decided', {}, 'bypass_suspect'],
  [
    'an upstream was contacted though the spool was full and the route may not go on',
    { audit: 'refused' },
    'bypass_suspect',
  ],
])('AU-1 where %s, a completion without a decision is a row of its own', (_, members, outcome) => {
  const bench = new Bench()
  bench.complete('r', members)
  expect(bench.made()).toEqual([`row ${outcome} line`])
  expect(bench.told).toEqual([outcome])
})

test('AU-1 an upstream that saw what was refused is a suspected bypass', () => {
  const bench = new Bench()
  bench.decide('r', 'e1', { verdict: 'deny', status: 403, problem: 'permission-denied' })
  bench.complete('r', { event: 'e1' })
  expect(bench.made()).toEqual(['row bypass_suspect e1+line'])
})

test('AU-1 a client that leaves before the answer has a row with the decision that nobody used', () => {
  const bench = new Bench()
  bench.decide('r', 'e1')
  bench.complete('r', { status: 0, flags: 'DC', upstream_host: null })
  expect(bench.made()).toEqual(['row completed e1+line'])
})

test('AU-1 a decision that comes after its request’s row is superseded', () => {
  const bench = new Bench()
  bench.decide('r', 'b.1')
  bench.complete('r', { event: 'b.1' })
  bench.decide('r', 'a.1')
  expect(bench.made()).toEqual(['row completed b.1+line', 'superseded a.1'])
  expect(bench.settled).toContain('a.1')
})

test('AU-1 a request without headers is a row by the id of its line', () => {
  const bench = new Bench()
  bench.complete(null, { status: 400, upstream_host: null })
  bench.complete(null, { status: 400, upstream_host: null, at: BEGINNING + 1 })
  const { entries } = bench.join.take()
  expect(entries.map(brief)).toEqual(['row envoy line', 'row envoy line'])
  expect(new Set(entries.map(({ id }) => id)).size).toBe(2)
})

test('AU-1 a second completion of one request is refused', () => {
  const bench = new Bench()
  expect(bench.complete('r', { upstream_host: null })).toBe(true)
  expect(bench.complete('r', { upstream_host: null, status: 500 })).toBe(false)
  expect(bench.made()).toHaveLength(1)
})

test('AU-1 a decision is open when the log has been read 30 s past its request, not before', () => {
  const bench = new Bench()
  bench.decide('r', 'e1')
  bench.join.advance(BEGINNING + 30 * SECOND)
  expect(bench.made()).toEqual([])
  bench.join.advance(BEGINNING + 30 * SECOND + 1)
  expect(bench.made()).toEqual(['row open e1'])
  bench.complete('r', { event: 'e1', total_us: 60 * SECOND })
  expect(bench.made()).toEqual(['late or completed line'])
})

test('AU-1 of several decisions of an open request the last is shown: Envoy gave up on the others', () => {
  const bench = new Bench()
  bench.decide('r', 'b.1', { decided_at: BEGINNING + 600_000 })
  bench.decide('r', 'a.1', { decided_at: BEGINNING + 100_000 })
  bench.join.advance(BEGINNING + 31 * SECOND)
  expect(bench.made()).toEqual(['row open b.1', 'superseded a.1'])
})

test('AU-1 a named decision that no spool has leaves a row from the completion, and is told', () => {
  const bench = new Bench()
  bench.complete('r', { event: 'e1' })
  expect(bench.made()).toEqual(['row completed line'])
  expect(bench.told).toEqual(['lost', 'completed'])
})

test('AU-1 requests that began before an Envoy’s end and wait are unknown, later ones wait on', () => {
  const bench = new Bench()
  bench.decide('old', 'e1')
  bench.decide('new', 'e2', { at: BEGINNING + SECOND })
  bench.join.end(BEGINNING + SECOND)
  const { entries, ended } = bench.join.take()
  expect(entries.map(brief)).toEqual(['row unknown e1'])
  expect(ended).toEqual([{ node: 'node-1', before: BEGINNING + SECOND }])
  bench.decide('read late', 'e3')
  expect(bench.made()).toEqual(['row unknown e3 unsure'])
  bench.complete('new', { at: BEGINNING + SECOND, event: 'e2' })
  expect(bench.made()).toEqual(['row completed e2+line'])
})

test('AU-1 a decision read after another one of its request was written open does not claim the row', () => {
  const bench = new Bench()
  bench.decide('r', 'a.1')
  bench.join.advance(BEGINNING + 31 * SECOND)
  bench.decide('r', 'b.1')
  expect(bench.doubted).toEqual(['b.1'])
  expect(bench.made()).toEqual(['row open a.1'])
  bench.complete('r', { event: 'b.1' })
  const { entries } = bench.join.take()
  expect(entries.map(brief)).toEqual(['late or completed b.1+line'])
  expect(leavesOf(entries).map(({ kind }) => kind)).toEqual(['superseded', 'completion'])
})

test('AU-1 a decision of before a restart that may have its row already does not claim it', () => {
  const bench = new Bench({ state: { ...FRESH, logTime: BEGINNING + SECOND } })
  bench.decide('r', 'e1')
  bench.decide('waited before', 'e2', {}, true)
  bench.decide('new', 'e3', { at: BEGINNING + 2 * SECOND })
  expect(bench.doubted).toEqual(['e1'])
  bench.join.advance(BEGINNING + 40 * SECOND)
  expect(bench.made()).toEqual(['row open e1 unsure', 'row open e2', 'row open e3'])
})

test('AU-1 a restart right after a completion knows that the request may have its row, though the log’s time lags behind', () => {
  const before = new Bench()
  before.decide('a', 'e1')
  before.complete('a')
  before.join.advance(BEGINNING - SECOND)
  const after = new Bench({ state: before.join.state })
  after.decide('a', 'e2')
  after.join.end(BEGINNING + SECOND)
  expect(after.doubted).toEqual(['e2'])
  expect(leavesOf(after.join.take().entries).map(({ kind }) => kind)).toEqual(['superseded'])
})

test('AU-1 memory is bounded: where too many wait, those read first are written open early', () => {
  const bench = new Bench({ decisions: 2 })
  for (const id of ['a', 'b', 'c', 'd']) bench.decide(id, id)
  expect(bench.made()).toEqual(['row open a', 'row open b'])
  expect(bench.told.filter((event) => event === 'early')).toHaveLength(2)
  expect(bench.join.waiting.size).toBe(2)
  const byBytes = new Bench({ bytes: 3_000 })
  for (let request = 0; request < 100; request++) byBytes.decide(`request-${request}`, `e${request}`)
  expect(byBytes.join.waiting.bytes).toBeLessThanOrEqual(3_000)
  expect(byBytes.made().length + byBytes.join.waiting.size).toBe(100)
})

test('AU-1 what was completed is remembered for a minute and not without bound', () => {
  const bench = new Bench()
  for (let request = 0; request < 60_000; request++) {
    bench.complete(`request-${request}`, { at: BEGINNING + request, upstream_host: null })
  }
  bench.made()
  bench.decide('request-59999', 'remembered', { at: BEGINNING + 59_999 })
  expect(bench.made()).toEqual(['superseded remembered'])
  bench.decide('request-1', 'forgotten', { at: BEGINNING + 1 })
  expect(bench.doubted).toEqual(['forgotten'])
})
