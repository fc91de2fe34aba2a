import { type Random, seeded, shuffled } from './random.ts'

/** What dies or stands still in a run. */
export const VICTIMS = ['envoy', 'worker', 'recorder', 'postgres'] as const
export type Victim = (typeof VICTIMS)[number]

/** `kill`: SIGKILL. `stop`: SIGSTOP, then SIGCONT. `cut`: the recorder's connection breaks between COMMIT and its answer. */
export type Fault =
  | { readonly kind: 'kill'; readonly victim: Victim; readonly atMs: number }
  | { readonly kind: 'stop'; readonly victim: Victim; readonly atMs: number; readonly lastsMs: number }
  | { readonly kind: 'cut'; readonly victim: 'commit'; readonly atMs: number }

/** How many faults of a kind a run has, and how long a stopped process stands still. */
export interface FaultCounts {
  /** Per victim. */
  readonly kills: number
  /** Per victim. */
  readonly stops: number
  readonly cuts: number
  /** Least and greatest, ms. */
  readonly stopMs: readonly [least: number, greatest: number]
}

/** As many as a run of this length has: for 300 s eight kills of each, four stops of each, eight cuts; at least one of every kind. */
export function countsFor(seconds: number): FaultCounts {
  const share = (of300: number) => Math.max(1, Math.ceil((of300 * seconds) / 300))
  const greatest = Math.min(3_000, seconds * 50)
  return { kills: share(8), stops: share(4), cuts: share(8), stopMs: [Math.min(1_000, greatest / 2), greatest] }
}

/** Name of a kind of fault, as reports say it. */
export const nameOf = ({ kind, victim }: Fault): string => `${kind} ${victim}`

/**
 * When what happens, determined by the seed: the time is cut into equal parts, one fault at a random moment in each. Neighbours have
 * different victims wherever that is possible, so that a victim has time to come back.
 */
export function planFaults(seconds: number, counts: FaultCounts, seed: number): readonly Fault[] {
  const random = seeded(seed)
  const kinds = spaced(shuffled(all(counts, random), random))
  const part = (seconds * 1000) / kinds.length
  return kinds.map((fault, index) => ({ ...fault, atMs: Math.floor((index + random() * 0.8) * part) }))
}

function all({ kills, stops, cuts, stopMs: [least, greatest] }: FaultCounts, random: Random): Fault[] {
  const each = VICTIMS.flatMap((victim): Fault[] => [
    ...Array.from({ length: kills }, () => ({ kind: 'kill', victim, atMs: 0 }) as const),
    ...Array.from({ length: stops }, () => {
      const lastsMs = Math.floor(least + random() * (greatest - least))
      return { kind: 'stop', victim, atMs: 0, lastsMs } as const
    }),
  ])
  return [...each, ...Array.from({ length: cuts }, () => ({ kind: 'cut', victim: 'commit', atMs: 0 }) as const)]
}

/** Takes, each time, the first fault whose victim is not the one before. */
function spaced(faults: readonly Fault[]): Fault[] {
  const left = [...faults]
  const placed: Fault[] = []
  while (left.length > 0) {
    const other = left.findIndex(({ victim }) => victim !== placed.at(-1)?.victim)
    placed.push(...left.splice(Math.max(other, 0), 1))
  }
  return placed
}
