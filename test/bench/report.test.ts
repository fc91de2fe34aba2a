import { expect, test } from 'vitest'
import { recorderReport } from './recorder.ts'
import { report } from './report.ts'
import { type Measured, orderOf } from './rounds.ts'
import { quantile, spread } from './statistics.ts'
import type { VariantKey } from './variants.ts'

test('the median of an even number of rounds is the middle of the two in the middle', () => {
  expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 })
  expect(spread([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 })
})

test('p99 of a hundred values is the last, p50 of one value that value', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  expect([quantile(hundred, 0.99), quantile(hundred, 0.5), quantile([7], 0.5)]).toEqual([100, 51, 7])
})

test('over eight slices each of four variants runs twice at each place', () => {
  const places = Array.from({ length: 8 }, (_, slice) => orderOf(slice, ['A', 'B', 'C', 'D']).indexOf('C'))
  expect(places.toSorted()).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
})

test('ratios are taken within each round, so a slow moment that touches both sides changes nothing', () => {
  const page = report({
    rounds: [round({ B: 100, C: 110 }), round({ B: 300, C: 330 }), round({ B: 90, C: 99 })],
    seconds: 1,
    against: undefined,
  })
  expect(page).toContain('| C/B, CPU of the authorizer | 1.100 | 1.100 | 1.100 |')
  expect(page).toContain('| authorizer CPU per decision, C/B | 1.15 | 1.100 | met |')
})

test('a target that is missed is called missed', () => {
  const page = report({ rounds: [round({ B: 100, C: 120 }, { authorizerMb: 161 })], seconds: 1, against: undefined })
  expect(page).toContain('| authorizer CPU per decision, C/B | 1.15 | 1.200 | not met |')
  expect(page).toContain('| one worker after the load (C), MB | 160 | 161 | not met |')
  expect(page).toContain('| Envoy and one worker after the load (C), MB | 256 | 231 | met |')
})

test('against another checkout the page names it and judges what the audit may cost', () => {
  const before = { ...measured('P', 88), envoyMicros: 40, p50: 0.44 }
  const page = report({ rounds: [[...round({ B: 100, C: 110 }), before]], seconds: 1, against: '3ea81b0 "before"' })
  expect(page).toContain('- **P** ext-authz and edge of another checkout, 3ea81b0 "before".')
  expect(page).toContain('| authorizer CPU per decision, C/P | 1.25 | 1.250 | met |')
  expect(page).toContain('| Envoy CPU per request, C/P | 1.1 | 1.250 | not met |')
  expect(page).toContain('| p50, C − P, ms | 0.05 | 0.060 | not met |')
})

test('the recorder is judged by its worst run', () => {
  const run = { rows: 1000, backlogBytes: 2e6, seconds: 2, recorderMicros: 90, postgresMicros: 140, recorderMb: 300 }
  const page = recorderReport([run, { ...run, recorderMicros: 151 }])
  expect(page).toContain('| 1 | 500 | 90.0 | 140.0 | 300 | 2.0 |')
  expect(page).toContain('the worst run has 151.0: not met')
})

function round(micros: { B: number; C: number }, more: Partial<Measured> = {}): Measured[] {
  const all = [measured('A', Number.NaN), measured('B', micros.B), measured('C', micros.C), measured('D', 500)]
  return all.map((one) => ({ ...one, ...more }))
}

function measured(key: VariantKey, authorizerMicros: number): Measured {
  return {
    key,
    requestsPerSecond: 1000,
    envoyMicros: 50,
    authorizerMicros,
    p50: 0.5,
    p99: 1,
    envoyMb: 70,
    authorizerMb: 150,
  }
}
