import { setTimeout as pause } from 'node:timers/promises'
import { isAlive } from '../../runtime/embedded/processes.ts'
import { childrenOf } from '../support/children.ts'
import { until } from '../support/until.ts'
import { type Fault, nameOf, type Victim } from './faults.ts'
import { clock } from './ledger.ts'
import { type Random, seeded } from './random.ts'

/** How long a victim may take to be there (again), ms. */
const BACK_WITHIN_MS = 20_000

/** The processes of a running Sallyport, asked anew for every fault; empty while it is down. */
export interface Targets {
  pids(victim: Victim): readonly number[]
  /** Loses the answer to the next COMMIT. */
  cutCommit(): Promise<void>
}

/** What was done. */
export interface Injected {
  /** By {@link nameOf}. */
  readonly counts: Readonly<Record<string, number>>
  /** Moments at which an Envoy was killed, epoch ms. */
  readonly envoyKills: readonly number[]
  /** Faults that could not be made, and why; a run that has some did not show what it should. */
  readonly failed: readonly string[]
}

/**
 * Injects the faults of a plan at their times, those of one victim one after the other, and resolves when all are over and what was
 * stopped goes on. `signal` ends it early.
 */
export async function inject(
  plan: readonly Fault[],
  targets: Targets,
  { seed, signal, say }: { seed: number; signal: AbortSignal; say: (line: string) => void },
): Promise<Injected> {
  const done = { counts: {} as Record<string, number>, envoyKills: [] as number[], failed: [] as string[] }
  const random = seeded(seed)
  const started = performance.now()
  const last = new Map<string, Promise<void>>()
  for (const fault of plan) {
    await pauseUntil(started + fault.atMs, signal)
    if (signal.aborted) break
    const one = async () => {
      try {
        await make(fault, targets, { random, signal, killed: (at) => done.envoyKills.push(at) })
        done.counts[nameOf(fault)] = (done.counts[nameOf(fault)] ?? 0) + 1
        say(`${((performance.now() - started) / 1000).toFixed(1)} s: ${nameOf(fault)}`)
      } catch (error) {
        done.failed.push(`${nameOf(fault)} at ${fault.atMs} ms: ${error instanceof Error ? error.message : error}`)
      }
    }
    last.set(fault.victim, (last.get(fault.victim) ?? Promise.resolve()).then(one))
  }
  await Promise.all(last.values())
  return done
}

/** Until `performance.now()` is there, or the run is ended: a timer may fire a fraction of a millisecond early. */
async function pauseUntil(moment: number, signal: AbortSignal): Promise<void> {
  for (let left = moment - performance.now(); left > 0 && !signal.aborted; left = moment - performance.now()) {
    await pause(Math.ceil(left), undefined, { signal }).catch(() => undefined)
  }
}

interface Making {
  readonly random: Random
  readonly signal: AbortSignal
  readonly killed: (at: number) => void
}

function make(fault: Fault, targets: Targets, making: Making): Promise<void> {
  switch (fault.kind) {
    case 'kill':
      return kill(fault.victim, targets, making)
    case 'stop':
      return standStill(fault.victim, fault.lastsMs, targets, making)
    case 'cut':
      return Promise.race([targets.cutCommit(), lateFor('a COMMIT to pass', making.signal)])
  }
}

async function kill(victim: Victim, targets: Targets, { random, killed }: Making): Promise<void> {
  const pid = await one(victim, targets, random)
  if (victim === 'envoy') killed(clock())
  process.kill(pid, 'SIGKILL')
  await until(`the killed ${victim} to be gone`, () => !isAlive(pid), BACK_WITHIN_MS)
}

async function standStill(victim: Victim, ms: number, targets: Targets, { random, signal }: Making): Promise<void> {
  const pid = await one(victim, targets, random)
  // Of PostgreSQL it is the back ends that do the work.
  const all = victim === 'postgres' ? [pid, ...childrenOf(pid)] : [pid]
  for (const each of all) signalTo(each, 'SIGSTOP')
  await pause(ms, undefined, { signal }).catch(() => undefined)
  for (const each of all) signalTo(each, 'SIGCONT')
}

/** One process of the victim, as soon as there is one. */
function one(victim: Victim, targets: Targets, random: Random): Promise<number> {
  return until(
    `${victim} to run`,
    () => {
      const pids = targets.pids(victim)
      return pids[Math.floor(random() * pids.length)]
    },
    BACK_WITHIN_MS,
  )
}

async function lateFor(what: string, signal: AbortSignal): Promise<never> {
  await pause(BACK_WITHIN_MS, undefined, { signal, ref: false }).catch(() => undefined)
  throw new Error(`waited ${BACK_WITHIN_MS} ms in vain for ${what}`)
}

function signalTo(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    // A back end that has ended in between needs no signal.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
