import { setTimeout as pause } from 'node:timers/promises'
import { type FaultCounts, planFaults } from './faults.ts'
import { type Injected, inject } from './injector.ts'
import type { Ledger } from './ledger.ts'
import { ChaosLoad } from './load.ts'
import { KINDS, UPSTREAM_KINDS } from './mix.ts'
import type { Proof } from './proof-report.ts'
import { settledComparison } from './settle.ts'
import type { Site } from './site.ts'

/** What one run does. */
export interface ProofPlan {
  readonly seconds: number
  readonly rate: number
  readonly seed: number
  readonly faults: FaultCounts
  /** Ends the run early; what was sent until then is still compared. */
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** Loads a running Sallyport while its processes die, waits until the audit has settled, and compares (issue 4, "Proof"). */
export async function prove(site: Site, plan: ProofPlan): Promise<Proof> {
  const { seconds, rate, seed, faults, signal, say } = plan
  const kinds = [...KINDS, ...UPSTREAM_KINDS]
  const load = new ChaosLoad({ port: site.ports.http, rate, seed, run: `proof-${seed}`, tokens: site.tokens, kinds })
  const progress = setInterval(() => say(`${load.ledger.attempts.length} sent, ${load.ledger.open()} open`), 5_000)
  try {
    const injecting = inject(planFaults(seconds, faults, seed), site.targets, { seed, signal, say })
    await pause(seconds * 1000, undefined, { signal }).catch(() => undefined)
    const [ledger, injected] = await Promise.all([load.stop(), injecting])
    return await settled(site, plan, ledger, injected)
  } finally {
    clearInterval(progress)
    await load.stop()
  }
}

async function settled(site: Site, plan: ProofPlan, ledger: Ledger, injected: Injected): Promise<Proof> {
  const { seconds, rate, seed, signal, say } = plan
  say(`${ledger.attempts.length} sent; waiting for the last rows`)
  const { attempts } = ledger
  const settling = { attempts, envoyKills: injected.envoyKills, signal }
  const { comparison, seconds: settledAfter } = await settledComparison(site, settling)
  const verifyFaults = await site.verify()
  const unexpectedEnds = site.unexpectedEnds()
  return { seconds, rate, seed, ledger, injected, settledAfter, comparison, verifyFaults, unexpectedEnds }
}
