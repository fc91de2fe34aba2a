import { InvalidArgumentError } from 'commander'
import { lifetime } from '../../lifetime.ts'

const INSTANT = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?$/

/**
 * Epoch µs of `2026-03-01`, `2026-03-01T10:00:00.123456Z`, `2026-03-01T10:00+02:00` (UTC where no zone is given) or of a time
 * ago: `90s`, `15m`, `1h`, `2d`. Throws what commander shows as a usage error.
 */
export function instant(text: string, now: number = Date.now()): number {
  const [, day, clock = '00:00', fraction = '', zone = 'Z'] = INSTANT.exec(text) ?? []
  if (day === undefined) return ago(text, now)
  const ms = Date.parse(`${day}T${clock}${zone}`)
  if (Number.isNaN(ms)) throw new InvalidArgumentError(`There is no such time: ${text}.`)
  return ms * 1_000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

function ago(text: string, now: number): number {
  if (!/^\d+[smhd]$/.test(text))
    throw new InvalidArgumentError(
      'Expected a time such as 2026-03-01T10:00:00Z or 2026-03-01, or how long ago: 15m, 2h, 1d.',
    )
  return (now - lifetime(text) * 1_000) * 1_000
}
