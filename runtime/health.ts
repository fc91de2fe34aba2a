/** Where a process is in its life; traffic is wanted in `ready` only. */
export type Phase =
  | { readonly at: 'starting'; readonly waitingFor: string }
  | { readonly at: 'ready' }
  | { readonly at: 'failing'; readonly because: string }
  | { readonly at: 'draining' }

/** Readiness of a process, shared by `/ready` and the gRPC health of a worker: one truth, two tongues. */
export interface Health {
  phase(): Phase
  /** Moves on; `draining` is final. */
  move(next: Phase): void
  /** Calls back at once with the present phase and then at every change. */
  watch(observer: (phase: Phase) => void): void
}

/** Starts in `starting`, so that nobody sends traffic before the process says `ready`. */
export function createHealth(waitingFor: string): Health {
  let present: Phase = { at: 'starting', waitingFor }
  const observers: ((phase: Phase) => void)[] = []
  return {
    phase: () => present,
    move: (next) => {
      if (present.at === 'draining') return
      present = next
      for (const observer of observers) observer(next)
    },
    watch: (observer) => {
      observers.push(observer)
      observer(present)
    },
  }
}
