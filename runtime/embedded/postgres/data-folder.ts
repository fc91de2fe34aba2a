import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Account, closedToOthers, letThrough } from './account.ts'

/**
 * Where the embedded PostgreSQL of a state folder keeps its data: `postgres` in it. A server of another user (`account`) has to get
 * there: the state folder lets others pass (all it holds has modes of its own), and where it lies below a folder that does not, the
 * data is below `otherwise`.
 */
export async function dataFolder(state: string, account: Account | undefined, otherwise: string): Promise<string> {
  const inState = join(state, 'postgres')
  if (account === undefined) return inState
  if ((await closedToOthers(dirname(state))) === undefined) {
    await letThrough(state)
    return inState
  }
  const name = createHash('sha256').update(state).digest('hex').slice(0, 12)
  await mkdir(otherwise, { recursive: true, mode: 0o755 })
  return join(otherwise, `data-${name}`)
}
