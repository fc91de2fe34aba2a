import { makeRoot, packLeaves, type RootContent } from '../audit/roots.ts'
import type { SigningKey } from '../audit/signing-key.ts'
import type { BatchRoot, DroppedMonth, Ended } from '../store/batch.ts'
import { type Entry, leavesOf } from './entry.ts'
import type { JoinState } from './join.ts'
import type { LogCursor } from './open-log.ts'
import type { SpoolCursor } from './spool-tail.ts'

/** Everything that the recorder must know to go on where it was. */
export interface RecorderState {
  /** Of the newest root, 0 before the first. */
  readonly number: number
  readonly root: Buffer
  readonly join: JoinState
  readonly log: LogCursor | undefined
  /** By name of the worker's folder. */
  readonly spools: Readonly<Record<string, SpoolCursor>>
}

/** A batch before it is sent: what goes to the store, and the state of the recorder once it is there. */
export interface Prepared {
  readonly entries: readonly Entry[]
  readonly ended: readonly Ended[]
  readonly root: BatchRoot
  readonly after: RecorderState
}

/** What a batch is made of; `from`: the root that it follows. */
export interface Draft {
  readonly node: string
  readonly from: Pick<RecorderState, 'number' | 'root'>
  readonly entries: readonly Entry[]
  readonly ended: readonly Ended[]
  readonly after: Omit<RecorderState, 'number' | 'root'>
  /** Epoch ms. */
  readonly madeAt: number
}

/** A batch with its signed root, the next one of the node. */
export function prepare(draft: Draft, key: SigningKey): Prepared {
  const leaves = leavesOf(draft.entries)
  const content = { kind: 'batch', leaves: packLeaves(leaves), leaf_count: leaves.length } as const
  return prepared(draft, content, key)
}

/** The signed entry of a month that will be dropped, as a batch of its own. */
export function prepareDropped(draft: Draft, month: DroppedMonth, key: SigningKey): Prepared {
  return prepared(draft, { kind: 'dropped', leaves: Buffer.from(JSON.stringify(month)), leaf_count: 0 }, key)
}

type OfRoot = Pick<RootContent, 'kind' | 'leaves' | 'leaf_count'>

function prepared({ node, from, entries, ended, after, madeAt }: Draft, content: OfRoot, key: SigningKey): Prepared {
  const number = from.number + 1
  const root = makeRoot({ ...content, node, number, made_at: madeAt * 1000, previous: from.root }, key)
  return { entries, ended, root, after: { ...after, number, root: root.root } }
}
