/** The calendar month (UTC) that an instant lies in, as `2026-08`. */
export const monthOf = (epochMicros: number): string =>
  new Date(Math.floor(epochMicros / 1000)).toISOString().slice(0, 7)

/** The month `count` months after `month` (`2026-08` + 5 = `2027-01`); `count` may be negative. */
export function addMonths(month: string, count: number): string {
  const [year, index] = month.split('-').map(Number)
  return new Date(Date.UTC(year ?? Number.NaN, (index ?? Number.NaN) - 1 + count, 1)).toISOString().slice(0, 7)
}

/** An instant as PostgreSQL and people read it, all six decimals kept: `2026-08-31T23:59:59.999999Z`. */
export function isoMicros(epochMicros: number): string {
  const millis = Math.floor(epochMicros / 1000)
  const micros = String(epochMicros - millis * 1000).padStart(3, '0')
  return `${new Date(millis).toISOString().slice(0, -1)}${micros}Z`
}
