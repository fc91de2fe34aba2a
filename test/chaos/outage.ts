import { setTimeout as pause } from 'node:timers/promises'
import { residentMb } from '../bench/process-usage.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'
import type { Comparison } from './compare.ts'
import { clock, type Ledger } from './ledger.ts'
import { ChaosLoad } from './load.ts'
import { countRows } from './rows.ts'
import { settledComparison } from './settle.ts'
import { type Site, startSite } from './site.ts'
import { figuresOf, isFlat, judgeSlices, type Slice, type SliceFigures, type SliceJudgement } from './slices.ts'

/** A backlog must be gone within this, ms. */
const DRAIN_WITHIN_MS = 600_000
/** So many requests may be on their way to their row while nothing is wrong, as seconds of the rate: two batch intervals. */
const ON_THEIR_WAY_SECONDS = 12

/** How PostgreSQL comes and goes. */
export interface OutagePlan {
  /** Length of the one long outage. */
  readonly seconds: number
  readonly sliceSeconds: number
  /** Pairs of slices, PostgreSQL there and away, before the long outage. */
  readonly pairs: number
  readonly rate: number
  readonly seed: number
  readonly keep: boolean
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** What a run has shown. */
export interface OutageProof {
  readonly plan: OutagePlan
  readonly ledger: Ledger
  readonly comparison: Comparison
  readonly slices: readonly SliceFigures[]
  readonly p50: SliceJudgement
  readonly p99: SliceJudgement
  /** The recorder's resident memory over the long outage. */
  readonly memory: readonly MemorySample[]
  readonly memoryFlat: boolean
  /** After the long outage, with the load going on. */
  readonly drain: { readonly seconds: number; readonly rowsPerSecond: number; readonly ingestPerSecond: number }
  readonly verifyFaults: readonly string[]
}

/** Seconds since the beginning of an outage, MB (10^6 bytes). */
export interface MemorySample {
  readonly second: number
  readonly mb: number
}

/** Takes PostgreSQL away under load and shows that neither clients nor rows suffer (issue 4, "What must be seen" 2). */
export async function proveOutage(plan: OutagePlan): Promise<OutageProof> {
  const postgres = await startPostgres()
  try {
    const site = await startSite({ database: postgres.ownerUrl, keep: plan.keep, say: plan.say })
    try {
      return await loaded(plan, postgres, site)
    } finally {
      await site.stop()
    }
  } finally {
    await postgres.end()
  }
}

async function loaded(plan: OutagePlan, postgres: TestPostgres, site: Site): Promise<OutageProof> {
  const { rate, seed, signal, say } = plan
  const load = new ChaosLoad({ port: site.ports.http, rate, seed, run: `outage-${seed}`, tokens: site.tokens })
  try {
    const run: Run = { plan, postgres, site, load, slices: [] }
    await pause(plan.sliceSeconds * 500, undefined, { signal })
    for (let pair = 0; pair < plan.pairs; pair++) {
      await slice(run, 'up')
      await postgres.stop()
      await slice(run, 'down')
      await postgres.start()
      await drained(run)
    }
    await slice(run, 'up')
    const memory = await longOutage(run)
    const drain = await drained(run)
    await slice(run, 'up')
    const ledger = await load.stop()
    say(`${ledger.attempts.length} sent; waiting for the last rows`)
    const { comparison } = await settledComparison(site, { attempts: ledger.attempts, envoyKills: [], signal })
    const slices = figuresOf(run.slices, ledger.attempts)
    return {
      plan,
      ledger,
      comparison,
      slices,
      p50: judgeSlices(slices, 'p50'),
      p99: judgeSlices(slices, 'p99'),
      memory,
      memoryFlat: isFlat(memory),
      drain,
      verifyFaults: await site.verify(),
    }
  } finally {
    await load.stop()
  }
}

interface Run {
  readonly plan: OutagePlan
  readonly postgres: TestPostgres
  readonly site: Site
  readonly load: ChaosLoad
  readonly slices: Slice[]
}

async function slice({ plan, slices }: Run, database: Slice['database']): Promise<void> {
  const from = clock()
  await pause(plan.sliceSeconds * 1000, undefined, { signal: plan.signal })
  slices.push({ database, from, to: clock() })
  plan.say(`a slice of ${plan.sliceSeconds} s with PostgreSQL ${database}`)
}

/** The whole of it counts as slices, too. */
async function longOutage(run: Run): Promise<MemorySample[]> {
  const { plan, postgres, site } = run
  await postgres.stop()
  const began = performance.now()
  const memory: MemorySample[] = []
  const sample = setInterval(() => {
    const pid = site.pid('recorder')
    if (pid !== undefined) memory.push({ second: (performance.now() - began) / 1000, mb: residentMb(pid) })
  }, 1_000)
  try {
    const slices = Math.max(1, Math.round(plan.seconds / plan.sliceSeconds))
    for (let count = 0; count < slices; count++) await slice(run, 'down')
  } finally {
    clearInterval(sample)
  }
  await postgres.start()
  return memory
}

/** Waits, with the load going on, until the rows have caught up. */
async function drained({ plan, site, load }: Run): Promise<OutageProof['drain']> {
  const { attempts } = load.ledger
  const began = performance.now()
  const before = { sent: attempts.length, rows: (await countRows(site.readerUrl)).all }
  const onTheirWay = plan.rate * ON_THEIR_WAY_SECONDS
  await until(
    'the backlog to be drained',
    async () => {
      await pause(250, undefined, { signal: plan.signal })
      return (await countRows(site.readerUrl)).all >= attempts.length - onTheirWay
    },
    DRAIN_WITHIN_MS,
  )
  const seconds = (performance.now() - began) / 1000
  const after = { sent: attempts.length, rows: (await countRows(site.readerUrl)).all }
  plan.say(`drained ${after.rows - before.rows} rows in ${seconds.toFixed(1)} s`)
  return {
    seconds,
    rowsPerSecond: (after.rows - before.rows) / seconds,
    ingestPerSecond: (after.sent - before.sent) / seconds,
  }
}
