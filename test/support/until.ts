import { setTimeout as pause } from 'node:timers/promises'

/** Asks again until the answer is neither undefined nor false; throws at the deadline with what was waited for. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + withinMs
  let last: unknown
  while (performance.now() < deadline) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      last = error
    }
    await pause(10)
  }
  throw new Error(`waited ${withinMs} ms in vain for ${what}`, { cause: last })
}
