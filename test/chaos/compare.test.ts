import { expect, test } from 'vitest'
import { BROKEN_PROMISES, compare, type Evidence, type SeenDecision, type SeenRow } from './compare.ts'
import type { Attempt, Ending } from './ledger.ts'

const answered = (status: number, at = 1_010, requestId = 'r-a'): Ending => ({
  how: 'answered',
  at,
  status,
  requestId,
})
const attempt = (ending: Ending | undefined = answered(200), more: Partial<Attempt> = {}): Attempt => ({
  id: 'a',
  kind: 'list agents',
  sentAt: 1_000,
  ...(ending === undefined ? {} : { ending }),
  ...more,
})
const decision: SeenDecision = { event: 'n.b.1', requestId: 'r-a', correlationId: 'a' }
const row: SeenRow = {
  requestId: 'r-a',
  correlationId: 'a',
  peer: '127.0.0.1',
  event: 'n.b.1',
  status: 200,
  outcome: 'completed',
}
const alone: SeenRow = { ...row, event: undefined, status: 404, outcome: 'envoy' }

/** One decided, completed request, changed as a test wants it. */
const judge = (change: Partial<Evidence>) =>
  compare({ attempts: [attempt()], decisions: [decision], rows: [row], envoyKills: [], ...change })

const broken = (change: Partial<Evidence>) => {
  const comparison = judge(change)
  return Object.fromEntries(
    BROKEN_PROMISES.flatMap((name) => (comparison[name] === 0 ? [] : [[name, comparison[name]]])),
  )
}

test('AU-1 a request with a decision, an answer and one row of that status breaks no promise', () => {
  expect(broken({})).toEqual({})
  expect(judge({})).toMatchObject({ requests: 1, answered: 1, decisions: 1, rows: 1, examples: [] })
})

test('AU-1 a decision without a row is missing, answered or not, near a kill of Envoy or not', () => {
  expect(broken({ rows: [] })).toEqual({ missing: 1 })
  expect(broken({ rows: [], attempts: [attempt({ how: 'reset', at: 1_010 })], envoyKills: [1_005] })).toEqual({
    missing: 1,
  })
})

test('AU-1 an answer of an upstream without decision and row is missing, not an answer of Envoy alone', () => {
  expect(broken({ rows: [], decisions: [] })).toEqual({ missing: 1 })
})

test('AU-1 an answer of Envoy alone may be lost less than 100 ms before it is killed, and is counted apart', () => {
  const lost = { attempts: [attempt(answered(404))], rows: [], decisions: [] }
  expect(broken({ ...lost, envoyKills: [1_109] })).toEqual({})
  expect(judge({ ...lost, envoyKills: [1_109] }).lostEnvoyOnly).toBe(1)
  expect(broken({ ...lost, envoyKills: [1_111] })).toEqual({ missingEnvoyOnly: 1 })
  expect(broken({ ...lost, envoyKills: [999] })).toEqual({ missingEnvoyOnly: 1 })
})

test('AU-1 a preflight is an answer of Envoy alone although it is 200', () => {
  const preflight = attempt(answered(200), { kind: 'preflight' })
  expect(broken({ attempts: [preflight], decisions: [], rows: [{ ...alone, status: 200 }] })).toEqual({})
  expect(broken({ attempts: [preflight], decisions: [], rows: [] })).toEqual({ missingEnvoyOnly: 1 })
})

test('AU-1 a second row of a request is a duplicate', () => {
  expect(broken({ rows: [row, row, row] })).toEqual({ duplicates: 2 })
})

test('AU-1 a row, and a decision, that no request explains is a stray', () => {
  expect(broken({ rows: [row, { ...row, correlationId: 'b' }] })).toEqual({ strays: 1 })
  expect(broken({ decisions: [decision, { ...decision, event: 'n.b.2', correlationId: 'b' }] })).toEqual({ strays: 1 })
})

test('AU-1 a row with another status than the answer is wrong', () => {
  expect(broken({ rows: [{ ...row, status: 403 }] })).toEqual({ wrongStatus: 1 })
  expect(broken({ rows: [{ ...row, status: undefined }] })).toEqual({ wrongStatus: 1 })
})

test('AU-1 a row joined with the decision or the answer of another request is wrong', () => {
  const other = { ...decision, event: 'n.b.2', requestId: 'r-b' }
  expect(broken({ decisions: [decision, other], rows: [{ ...row, event: 'n.b.2' }] })).toEqual({ wrongJoin: 1 })
  expect(broken({ rows: [{ ...row, event: 'n.b.3' }] })).toEqual({ wrongJoin: 1 })
  expect(broken({ attempts: [attempt(answered(200, 1_010, 'r-b'))] })).toEqual({ wrongJoin: 1 })
})

test('AU-1 a retried Check has two decisions and one row, which may hold either', () => {
  const again = { ...decision, event: 'n.c.1' }
  expect(broken({ decisions: [decision, again] })).toEqual({})
  expect(broken({ decisions: [decision, again], rows: [{ ...row, event: 'n.c.1' }] })).toEqual({})
})

test('AU-1 unknown is allowed for a request that was open, or answered less than 100 ms before, a kill of Envoy', () => {
  const unknown = { rows: [{ ...row, outcome: 'unknown' as const, status: undefined }] }
  const open = [attempt({ how: 'reset', at: 1_500 })]
  expect(broken({ ...unknown, attempts: open, envoyKills: [1_200] })).toEqual({})
  expect(judge({ ...unknown, attempts: open, envoyKills: [1_200] }).unknown).toBe(1)
  expect(broken({ ...unknown, envoyKills: [1_109] })).toEqual({})
  expect(broken({ ...unknown, envoyKills: [1_111] })).toEqual({ unknownWithoutCause: 1 })
  expect(broken({ ...unknown, envoyKills: [999] })).toEqual({ unknownWithoutCause: 1 })
  expect(broken({ ...unknown, attempts: open, envoyKills: [] })).toEqual({ unknownWithoutCause: 1 })
})

test('AU-1 a row that is still open at the end is never allowed', () => {
  const open = { rows: [{ ...row, outcome: 'open' as const }], attempts: [attempt({ how: 'reset', at: 1_500 })] }
  expect(broken({ ...open, envoyKills: [1_200] })).toEqual({ unknownWithoutCause: 1 })
})

test('AU-1 an answer of an upstream without a decision is a bypass, whatever its row says, unless the spool was full', () => {
  const passed = { decisions: [], rows: [{ ...row, event: undefined, outcome: 'envoy' as const }] }
  expect(broken(passed)).toEqual({ bypassSuspect: 1 })
  expect(broken({ ...passed, rows: [{ ...row, event: undefined, outcome: 'skipped' }] })).toEqual({})
  expect(broken({ rows: [{ ...row, outcome: 'bypass_suspect' }] })).toEqual({ bypassSuspect: 1 })
})

test('AU-1 a worker that dies between its record and its answer leaves a decision; 503 of Envoy alone has no event', () => {
  const refused = { attempts: [attempt(answered(503))], rows: [{ ...alone, status: 503 }] }
  expect(broken(refused)).toEqual({})
  expect(broken({ attempts: [attempt(answered(404))], rows: [alone] })).toEqual({ wrongJoin: 1 })
})

test('AU-1 a request whose headers Envoy could not read is found by the address it came from', () => {
  const unreadable = attempt(
    { how: 'answered', at: 1_010, status: 431, requestId: undefined },
    { id: '127.3.2.1', kind: 'oversized header' },
  )
  const found = { ...alone, correlationId: undefined, requestId: undefined, peer: '127.3.2.1', status: 431 }
  expect(broken({ attempts: [unreadable], decisions: [], rows: [found] })).toEqual({})
  expect(broken({ attempts: [unreadable], decisions: [], rows: [{ ...found, peer: '127.3.2.2' }] })).toEqual({
    missingEnvoyOnly: 1,
    strays: 1,
  })
})

test('AU-1 a request that was refused at connect, or reset without decision, needs no row', () => {
  const gone = [attempt({ how: 'refused', at: 1_001 }), attempt({ how: 'reset', at: 1_001 }, { id: 'b' })]
  expect(broken({ attempts: gone, decisions: [], rows: [] })).toEqual({})
  expect(judge({ attempts: gone, decisions: [], rows: [] })).toMatchObject({ refused: 1, reset: 1, answered: 0 })
})
