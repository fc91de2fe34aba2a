/** A run that takes longer than this is given up when a newer one is asked for, ms. */
const PATIENCE_MS = 500

/** A job of which only the newest run counts. */
export interface NewestWins {
  /** Runs the job: now, or after the run that is under way. However often it is asked meanwhile, one run follows. */
  ask(): void
  /** No further run; gives up the one under way and waits for it. */
  close(): Promise<void>
}

/**
 * One run at a time. `job` gets a signal that aborts when its result is no longer wanted, and when it was asked for
 * (`performance.now()`, the first asking that this run answers). It must not reject. Two runs in a row are never given up, so that a
 * steady stream of changes still gets through.
 */
export function newestWins(job: (signal: AbortSignal, askedAt: number) => Promise<void>): NewestWins {
  let waiting: { readonly askedAt: number } | undefined
  let running: { readonly abort: AbortController; readonly done: Promise<void> } | undefined
  let gaveUp = false
  let closed = false

  const run = () => {
    if (waiting === undefined || closed) return
    const { askedAt } = waiting
    const abort = new AbortController()
    waiting = undefined
    running = { abort, done: job(abort.signal, askedAt).finally(next) }
  }
  const next = () => {
    gaveUp = running?.abort.signal.aborted ?? false
    running = undefined
    run()
  }
  return {
    ask: () => {
      if (closed) return
      const first = waiting === undefined
      waiting ??= { askedAt: performance.now() }
      if (running === undefined) run()
      else if (first && !gaveUp) giveUpLater(running.abort)
    },
    close: async () => {
      closed = true
      running?.abort.abort()
      await running?.done
    },
  }
}

function giveUpLater(abort: AbortController): void {
  setTimeout(() => abort.abort(), PATIENCE_MS).unref()
}
