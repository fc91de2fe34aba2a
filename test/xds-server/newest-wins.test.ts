import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { newestWins } from '../../xds-server/newest-wins.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

/** A job whose runs end when the test says so. */
function heldJob() {
  const runs: { readonly signal: AbortSignal; readonly askedAt: number; readonly end: () => void }[] = []
  const job = (signal: AbortSignal, askedAt: number) =>
    new Promise<void>((end) => {
      runs.push({ signal, askedAt, end })
    })
  return { runs, job }
}

test('one run at a time; however often it is asked meanwhile, one follows', async () => {
  const { runs, job } = heldJob()
  const wins = newestWins(job)
  wins.ask()
  wins.ask()
  wins.ask()
  expect(runs).toHaveLength(1)
  runs[0]?.end()
  await vi.advanceTimersByTimeAsync(0)
  expect(runs).toHaveLength(2)
  runs[1]?.end()
  await wins.close()
  expect(runs).toHaveLength(2)
})

test('a run that drags on is given up for a newer one, but never two in a row', async () => {
  const { runs, job } = heldJob()
  const wins = newestWins(job)
  wins.ask()
  wins.ask()
  await vi.advanceTimersByTimeAsync(499)
  expect(runs[0]?.signal.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(runs[0]?.signal.aborted).toBe(true)
  runs[0]?.end()
  await vi.advanceTimersByTimeAsync(0)
  expect(runs).toHaveLength(2)
  wins.ask()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(runs[1]?.signal.aborted).toBe(false)
  runs[1]?.end()
  await vi.advanceTimersByTimeAsync(0)
  expect(runs).toHaveLength(3)
  runs[2]?.end()
  await wins.close()
})

test('closing gives up the run under way and starts no other', async () => {
  const { runs, job } = heldJob()
  const wins = newestWins(job)
  wins.ask()
  wins.ask()
  const closed = wins.close()
  expect(runs[0]?.signal.aborted).toBe(true)
  runs[0]?.end()
  await closed
  wins.ask()
  expect(runs).toHaveLength(1)
})
