import { quantile, spread } from '../bench/statistics.ts'
import type { Attempt } from './ledger.ts'

/** A stretch of the load during which PostgreSQL was there or away; epoch ms. */
export interface Slice {
  readonly database: 'up' | 'down'
  readonly from: number
  readonly to: number
}

/** What the clients saw in a slice. */
export interface SliceFigures extends Slice {
  readonly answered: number
  /** Of the answered requests that were sent in it, ms. */
  readonly p50: number
  readonly p99: number
  /** Requests that got no answer, or 5xx. */
  readonly failed: number
}

/** One quantile with PostgreSQL away against the same with PostgreSQL there, ms. */
export interface SliceJudgement {
  readonly up: number
  readonly down: number
  /** How far apart the slices with PostgreSQL there lie among themselves: what the difference may be. */
  readonly upApart: number
  readonly kept: boolean
}

/** Figures of each slice from the client's account. */
export function figuresOf(slices: readonly Slice[], attempts: readonly Attempt[]): SliceFigures[] {
  return slices.map((slice) => {
    const sent = attempts.filter(({ sentAt }) => slice.from <= sentAt && sentAt < slice.to)
    const took = sent.flatMap(({ ending, sentAt }) => (ending?.how === 'answered' ? [ending.at - sentAt] : []))
    const sorted = took.toSorted((a, b) => a - b)
    const failed = sent.filter(({ ending }) => ending?.how !== 'answered' || ending.status >= 500).length
    return { ...slice, answered: took.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), failed }
  })
}

/** With PostgreSQL away the medians of the slices differ by no more than two slices with it do (issue 4, "What must be seen" 2). */
export function judgeSlices(figures: readonly SliceFigures[], of: 'p50' | 'p99'): SliceJudgement {
  const values = (database: Slice['database']) =>
    spread(figures.filter((slice) => slice.database === database).map((slice) => slice[of]))
  const up = values('up')
  const down = values('down')
  const upApart = up.max - up.min
  // Faster is no harm.
  return { up: up.median, down: down.median, upApart, kept: down.median - up.median <= upApart }
}

/** Memory over an outage, MB: flat when no later moment is a tenth above the end of its first minute. */
export function isFlat(samples: readonly { readonly second: number; readonly mb: number }[]): boolean {
  const first = samples.filter(({ second }) => second <= 60)
  const reference = Math.max(...first.map(({ mb }) => mb))
  return samples.every(({ mb }) => mb <= reference * 1.1)
}
