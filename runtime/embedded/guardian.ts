import { spawn } from 'node:child_process'

/** Ends the parts when their supervisor dies without doing so itself: kill -9, out of memory, a test run cut short. */
export interface Guardian {
  /** The leaders of the process groups to end; replaces what was said before. */
  guard(leaders: readonly number[]): void
  /** Nothing is left to guard; resolves when the guardian is gone. */
  dismiss(): Promise<void>
}

/**
 * A shell that waits for the end of its input, which is the end of the supervisor, however that came. It keeps the last line that
 * it read: the groups to end.
 */
const SCRIPT =
  'groups=; while read -r line; do groups=$line; done; for group in $groups; do kill -s KILL -- "-$group"; done'

/** Starts a guardian in a session of its own, out of reach of Ctrl-C. `lost` hears when it ends before it was dismissed. */
export function startGuardian(lost: (how: string) => void): Guardian {
  const shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: {} })
  let dismissed = false
  const end = new Promise<void>((resolve) => {
    const ended = (how: string) => {
      if (!dismissed) lost(how)
      dismissed = true
      resolve()
    }
    shell.once('error', (error) => ended(error.message))
    shell.once('exit', (code, signal) => ended(signal ?? `exit code ${code}`))
  })
  // A guardian that has ended says so by its exit; the broken pipe adds nothing.
  shell.stdin.on('error', () => undefined)
  shell.unref()
  return {
    guard: (leaders) => {
      if (!dismissed) shell.stdin.write(`${leaders.join(' ')}\n`)
    },
    dismiss: async () => {
      if (dismissed) return
      dismissed = true
      // Nothing else may be left that keeps this process going until the guardian is gone.
      shell.ref()
      shell.stdin.end('\n')
      await end
    },
  }
}
