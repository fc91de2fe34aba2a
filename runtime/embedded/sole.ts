import { claim } from './claim.ts'

/**
 * Claims a file for this process and gives what releases it. Throws while a process that claimed it runs: two supervisors in one
 * folder would fight over its sockets, keys and bindings.
 */
export async function claimSole(file: string): Promise<() => Promise<void>> {
  const claimed = await claim(file)
  if (claimed.at === 'held') return claimed.release
  const { pid } = claimed.by
  throw new Error(
    `it runs here already (pid ${pid}): stop that one with Ctrl-C or kill ${pid}, or set SALLYPORT_STATE to another folder`,
  )
}
