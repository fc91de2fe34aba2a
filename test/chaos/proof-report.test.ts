import { expect, test } from 'vitest'
import { compare } from './compare.ts'
import { Ledger } from './ledger.ts'
import { brokenPromises, type Proof, proofReport } from './proof-report.ts'

const NOTHING = compare({ attempts: [], decisions: [], rows: [], envoyKills: [] })
const proofWith = (change: Partial<Proof>): Proof => ({
  seconds: 300,
  rate: 300,
  seed: 1,
  ledger: new Ledger(),
  comparison: NOTHING,
  injected: { counts: { 'kill envoy': 8 }, envoyKills: [], failed: [] },
  settledAfter: 5,
  verifyFaults: [],
  unexpectedEnds: [],
  ...change,
})

test('what is allowed breaks no promise, whatever its count', () => {
  const proof = proofWith({
    comparison: { ...NOTHING, unknown: 9, lostEnvoyOnly: 3, reset: 5, refused: 7, skipped: 2 },
  })
  expect(brokenPromises(proof)).toEqual([])
  expect(proofReport(proof)).toContain('Every promise was kept.')
})

test('a count that must be 0, a fault that was not made, and a finding of verify each break the proof', () => {
  const comparison = { ...NOTHING, missing: 2, examples: ['missing: it'] }
  const injected = { counts: {}, envoyKills: [], failed: ['kill envoy at 1 ms: gone'] }
  const proof = proofWith({ comparison, injected, verifyFaults: ['spool 0: flipped'] })
  expect(brokenPromises(proof)).toEqual([
    'missing: a decision, or an answer of an upstream, without a row: 2',
    'a fault could not be made: kill envoy at 1 ms: gone',
    'verify: spool 0: flipped',
  ])
  expect(proofReport(proof)).toContain('**Promises were broken:**')
  expect(proofReport(proof)).toContain('- `missing: it`')
})

test('the page names what was run, every fault with its count, and how each kind of request ended', () => {
  const ledger = new Ledger()
  ledger.sent('a', 'list agents', 1).ending = { how: 'answered', at: 2, status: 200, requestId: 'r' }
  ledger.sent('b', 'list agents', 1).ending = { how: 'reset', at: 2 }
  const page = proofReport(proofWith({ ledger }))
  expect(page).toContain('`npm run prove:audit -- --seconds 300 --rate 300 --seed 1`')
  expect(page).toContain('| kill envoy | 8 |')
  expect(page).toContain('| list agents | 200 × 1, reset × 1 |')
})
