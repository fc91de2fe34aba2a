/** Shortest and longest time a definition may say. */
export const DURATION_RANGE_MS = { least: 1, most: 3_600_000 } as const

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000 } as const

/** Milliseconds of `'250ms'`, `'1.5s'` or `'5m'`; undefined for any other text. Does not judge the range. */
export function durationMs(text: string): number | undefined {
  const match = /^(\d{1,7}(?:\.\d{1,3})?)(ms|s|m)$/.exec(text)
  const unit = match?.[2]
  if (unit !== 'ms' && unit !== 's' && unit !== 'm') return undefined
  return Math.round(Number(match?.[1]) * UNIT_MS[unit])
}
