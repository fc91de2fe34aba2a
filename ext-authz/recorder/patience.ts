import { setTimeout as pause } from 'node:timers/promises'

const FIRST_MS = 100
const LONGEST_MS = 5_000

/** How something is tried until it works. */
export interface Patience {
  /** Ends the waiting; the call rejects with its reason. */
  readonly signal: AbortSignal
  /** 0 to 1. */
  readonly random: () => number
  /** Whether a fault passes by itself; any other is thrown on. */
  readonly passes: (error: unknown) => boolean
  /** Told of each fault that passes, with how long it is waited, ms. */
  readonly told: (error: unknown, waitMs: number) => void
  /** Told when it worked. */
  readonly worked?: () => void
}

/** Repeats `work` until it does not fail, with pauses from 100 ms, doubled up to 5 s, of which up to half is left to chance. */
export async function patiently<T>(patience: Patience, work: () => Promise<T>): Promise<T> {
  for (let wait = FIRST_MS; ; wait = Math.min(wait * 2, LONGEST_MS)) {
    patience.signal.throwIfAborted()
    try {
      const done = await work()
      patience.worked?.()
      return done
    } catch (error) {
      if (!patience.passes(error)) throw error
      const waitMs = Math.round(wait * (1 - patience.random() / 2))
      patience.told(error, waitMs)
      await pause(waitMs, undefined, { signal: patience.signal })
    }
  }
}

/** How loud a fault is told: what passes within a second or two, such as a start of PostgreSQL, is no warning. */
export const loudness = (waitMs: number): 'info' | 'warn' => (waitMs < 500 ? 'info' : 'warn')

/** Whether the system refused a call: a full disk, a folder that is away. The codes say which. */
export const isSystemFault = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && 'syscall' in error
