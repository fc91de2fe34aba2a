/** How often an alarm is said, ms; what comes between is counted. */
const EVERY_MS = 1000

/**
 * Says an alarm at most once a second: what goes wrong with one request goes wrong with all, and the log is written at once, on
 * the request path. `say` gets how many there were since it was last said, this one included.
 */
export function alarm<F extends object>(now: () => number, say: (facts: F & { readonly times: number }) => void) {
  let last = Number.NEGATIVE_INFINITY
  let times = 0
  return function raise(facts: F): void {
    times += 1
    // A clock that was set back must not silence it.
    if (Math.abs(now() - last) < EVERY_MS) return
    last = now()
    say({ ...facts, times })
    times = 0
  }
}
