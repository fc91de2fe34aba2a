/**
 * Names of Envoy's access log and of what it was renamed to, inside their folder. They are here because the supervisor (runtime/)
 * renames them and the recorder (ext-authz/) reads them.
 */

/** The file that an Envoy writes to now; what it was renamed to says why (see {@link endedLog}). */
export const LIVE_LOG = 'access.log'

/** A log that grew too large; the Envoy that wrote it lives on and has reopened {@link LIVE_LOG}. `epochMs`: when it was renamed. */
export const rotatedLog = (epochMs: number): string => `access.${stamp(epochMs)}.rotated.log`

/** A log whose Envoy has ended: renamed at `epochMs`, before the next Envoy starts, so requests begun before it are all over. */
export const endedLog = (epochMs: number): string => `access.${stamp(epochMs)}.ended.log`

/** A renamed log; names sort by age. Undefined for other files. */
export function oldLog(name: string): { readonly epochMs: number; readonly ended: boolean } | undefined {
  const match = /^access\.(\d{15})\.(rotated|ended)\.log$/.exec(name)
  return match === null ? undefined : { epochMs: Number(match[1]), ended: match[2] === 'ended' }
}

const stamp = (epochMs: number) => String(epochMs).padStart(15, '0')

/**
 * The time to put into the next name: `nowMs`, or just after the newest name among `names` where the clock says it is older, so that
 * names sort as their logs were ended and none is taken.
 */
export function nextEpochMs(names: readonly string[], nowMs: number): number {
  const newest = newestOldLog(names)
  return newest === undefined ? nowMs : Math.max(nowMs, newest.epochMs + 1)
}

/** The renamed log that was renamed last; undefined where none was. */
export function newestOldLog(names: readonly string[]): ReturnType<typeof oldLog> {
  return names
    .map(oldLog)
    .filter((log) => log !== undefined)
    .toSorted((a, b) => b.epochMs - a.epochMs)[0]
}
