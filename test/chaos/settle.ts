import { setTimeout as pause } from 'node:timers/promises'
import { BROKEN_PROMISES, type Comparison, compare } from './compare.ts'
import { readDecisions } from './decisions.ts'
import type { Attempt } from './ledger.ts'
import { countRows, readRows } from './rows.ts'
import type { Site } from './site.ts'

/** How long the last rows may take to come after the last request, ms: `open` is decided after 30 s. */
const SETTLE_WITHIN_MS = 120_000
const LOOK_EVERY_MS = 500
/** Rows that stay the same for so long may be all, ms. */
const QUIET_MS = 2_000

/** What is compared when the load is over. */
export interface Settling {
  readonly attempts: readonly Attempt[]
  readonly envoyKills: readonly number[]
  readonly signal: AbortSignal
}

/** Compares until no promise is broken or the time is up: what is late is not lost. `seconds`: how long that took. */
export async function settledComparison(
  site: Site,
  { attempts, envoyKills, signal }: Settling,
): Promise<{ readonly comparison: Comparison; readonly seconds: number }> {
  const began = performance.now()
  for (;;) {
    await untilQuiet(site.readerUrl, signal)
    const decisions = await readDecisions(site.witness.spools)
    const rows = await readRows(site.readerUrl)
    const comparison = compare({ attempts, decisions, rows, envoyKills })
    const seconds = (performance.now() - began) / 1000
    const late = signal.aborted || seconds * 1000 > SETTLE_WITHIN_MS
    if (late || BROKEN_PROMISES.every((name) => comparison[name] === 0)) return { comparison, seconds }
  }
}

/** Resolves when no row came and none was completed for a while; PostgreSQL may still be coming back. */
async function untilQuiet(readerUrl: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + SETTLE_WITHIN_MS
  let last = ''
  let since = performance.now()
  while (!signal.aborted && performance.now() < deadline && performance.now() - since < QUIET_MS) {
    const now = await countRows(readerUrl).then(JSON.stringify, String)
    if (now !== last) since = performance.now()
    last = now
    await pause(LOOK_EVERY_MS)
  }
}
