import { setTimeout as pause } from 'node:timers/promises'
import type { Health } from './health.ts'
import type { Log } from './log.ts'

/** Something to close before the process may end. */
export interface Closer {
  readonly name: string
  close(): Promise<unknown> | unknown
}

/** What happens between SIGTERM and the end of the process. */
export interface Drain {
  readonly health: Health
  readonly log: Log
  /** Closed one after the other, in this order: doors first, then stores. */
  readonly closers: readonly Closer[]
  /** How long the readiness answer says no before the first door closes, so that callers look away first, ms. Default 0. */
  readonly noticeMs?: number
  /** All closers together, ms; afterwards the process ends anyway. Default 4,000 (the supervisor kills at 4 s). */
  readonly deadlineMs?: number
}

/**
 * On SIGTERM or SIGINT: not ready any more, close everything in order, exit 0. Past the deadline, or when a closer fails: exit 1,
 * and the log names the closer. A second signal exits at once.
 */
export function drainOnSignal(drain: Drain): void {
  let draining = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (draining) process.exit(1)
      draining = true
      drain.log.info({ signal }, 'draining')
      void endBy(drain).then((code) => process.exit(code))
    })
  }
}

async function endBy(drain: Drain): Promise<number> {
  drain.health.move({ at: 'draining' })
  const deadlineMs = drain.deadlineMs ?? 4_000
  const progress = { closing: 'the notice' }
  const late = pause(deadlineMs, undefined, { ref: false }).then(() => {
    drain.log.error({ closing: progress.closing, deadlineMs }, `${progress.closing} did not close in ${deadlineMs} ms`)
    return 1
  })
  return Promise.race([closeAll(drain, progress), late])
}

async function closeAll(drain: Drain, progress: { closing: string }): Promise<number> {
  let code = 0
  await pause(drain.noticeMs ?? 0)
  for (const closer of drain.closers) {
    progress.closing = closer.name
    try {
      await closer.close()
    } catch (err) {
      // The others must still close: one broken store may not keep a socket open.
      drain.log.error({ err, closing: closer.name }, `${closer.name} failed to close`)
      code = 1
    }
  }
  return code
}
