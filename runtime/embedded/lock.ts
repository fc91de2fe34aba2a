import { setTimeout as pause } from 'node:timers/promises'
import { type Claim, claim, type Holder } from './claim.ts'

/** How often a lock that somebody holds is asked for, ms. */
const ASK_EVERY_MS = 50

/** How the wait for a lock goes. */
export interface Waiting {
  /** Told once when somebody else holds the lock. */
  readonly waiting?: (holder: Holder) => void
  /** ms; default 300,000. */
  readonly deadlineMs?: number
}

/**
 * Runs `work` while holding a lock file, so that processes that start together do it once. The lock of a process that died
 * is taken over. Throws after the deadline, naming the holder.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, options: Waiting = {}): Promise<T> {
  const held = await waitFor(file, options)
  try {
    return await work()
  } finally {
    await held.release()
  }
}

async function waitFor(
  file: string,
  { waiting, deadlineMs = 300_000 }: Waiting,
): Promise<Extract<Claim, { at: 'held' }>> {
  const until = performance.now() + deadlineMs
  for (let told = false; ; told = true) {
    const claimed = await claim(file)
    if (claimed.at === 'held') return claimed
    const { pid } = claimed.by
    if (performance.now() > until)
      throw new Error(`${file}: still held by process ${pid} after ${deadlineMs} ms; end that process if it is stuck`)
    if (!told) waiting?.(claimed.by)
    await pause(ASK_EVERY_MS)
  }
}
