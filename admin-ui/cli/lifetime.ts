import { InvalidArgumentError } from 'commander'

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** Seconds of `90s`, `15m`, `1h`, `-5m`, `1d`. Throws what commander shows as a usage error. */
export function lifetime(text: string): number {
  const [, count, unit] = /^(-?\d{1,6})([smhd])$/.exec(text) ?? []
  if (count === undefined || !isUnit(unit))
    throw new InvalidArgumentError('Expected a number with its unit, such as 90s, 15m, 1h or 1d.')
  return Number(count) * SECONDS[unit]
}

function isUnit(unit: string | undefined): unit is keyof typeof SECONDS {
  return unit !== undefined && Object.hasOwn(SECONDS, unit)
}
