import { expect, test } from 'vitest'
import type { Attempt } from './ledger.ts'
import { figuresOf, isFlat, judgeSlices, type SliceFigures } from './slices.ts'

const attempt = (sentAt: number, ms: number, status = 200): Attempt => ({
  id: 'a',
  kind: 'k',
  sentAt,
  ending: { how: 'answered', at: sentAt + ms, status, requestId: 'r' },
})
const slice = (database: 'up' | 'down', p50: number): SliceFigures => ({
  database,
  from: 0,
  to: 1,
  answered: 1,
  p50,
  p99: p50,
  failed: 0,
})

test('a slice counts the requests that were sent in it', () => {
  const slices = [
    { database: 'up', from: 0, to: 10 },
    { database: 'down', from: 10, to: 20 },
  ] as const
  const reset: Attempt = { id: 'b', kind: 'k', sentAt: 11, ending: { how: 'reset', at: 12 } }
  const [up, down] = figuresOf(slices, [attempt(9, 5), attempt(10, 7), attempt(12, 9, 503), reset])
  expect(up).toMatchObject({ answered: 1, p50: 5, failed: 0 })
  expect(down).toMatchObject({ answered: 2, failed: 2 })
  expect(down?.p50).toBeCloseTo(9)
})

test('PostgreSQL away may cost as much as two slices with it differ, and no more', () => {
  expect(judgeSlices([slice('up', 2), slice('down', 2.9), slice('up', 2.5)], 'p50').kept).toBe(false)
  expect(judgeSlices([slice('up', 2), slice('down', 2.7), slice('up', 2.5)], 'p50')).toMatchObject({
    up: 2.25,
    down: 2.7,
    upApart: 0.5,
    kept: true,
  })
  expect(judgeSlices([slice('up', 2), slice('down', 1), slice('up', 2)], 'p99').kept).toBe(true)
})

test('memory that still grows after the first minute is not flat', () => {
  const samples = (later: number) => [
    { second: 1, mb: 80 },
    { second: 60, mb: 100 },
    { second: 200, mb: later },
  ]
  expect(isFlat(samples(109))).toBe(true)
  expect(isFlat(samples(111))).toBe(false)
})
