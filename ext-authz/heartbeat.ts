import type { ChildProcess } from 'node:child_process'
import type { ToWorker } from './worker-messages.ts'

const BEAT_MS = 1_000
/** Beats without a word from a worker that has begun to serve: its event loop stands still, or it was stopped. */
export const SILENT_BEATS = 5
/** Beats that a worker has to start: loading the code and the kept keys on a busy machine. */
export const STARTING_BEATS = 30

/**
 * Asks a worker for a sign of life every second and calls `silent` once when it has given none for `patience()` beats. Beats are
 * counted, not timed: a pause of this process itself is no silence of the worker. Returns what stops the beating.
 */
export function heartbeat(child: ChildProcess, patience: () => number, silent: (beats: number) => void): () => void {
  let unanswered = 0
  const question: ToWorker = { kind: 'ping' }
  child.on('message', () => {
    unanswered = 0
  })
  const timer = setInterval(() => {
    if (unanswered >= patience()) {
      clearInterval(timer)
      silent(unanswered)
      return
    }
    unanswered += 1
    // A channel that closed is followed by the worker's exit, which says more.
    if (child.connected) child.send(question, () => undefined)
  }, BEAT_MS)
  return () => clearInterval(timer)
}
