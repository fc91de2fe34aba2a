import type { KeyObject } from 'node:crypto'
import type { BatchRoot, DroppedMonth } from '../../store/batch.ts'
import { NO_ROOT, type RootFault, verifyRoot } from '../roots.ts'
import { type AuditFault, batchFault } from './fault.ts'

/** A batch that a recorder wrote, as it knows it itself. */
export interface KnownHead {
  readonly number: number
  readonly root: Buffer
}

/** What the roots of all nodes say, once all of them were read. */
export interface Chains {
  /** Nodes that have roots. */
  readonly nodes: Set<string>
  /** Months whose rows retention dropped, `2026-08`: no half of theirs is missed. */
  readonly dropped: Set<string>
  batches: number
}

/** What roots are checked with. */
export interface Witnesses {
  /** Public halves of signing keys by key id (batch.ts). */
  readonly keys: ReadonlyMap<string, KeyObject>
  /** What recorders know that they wrote, as far as they can be asked. */
  readonly heads: readonly KnownHead[]
}

/** Checks number, chain, content and signature of every root; `roots` come by node, then number. Fills `chains` meanwhile. */
export async function* verifyChains(
  roots: AsyncIterable<BatchRoot>,
  { keys, heads }: Witnesses,
  chains: Chains,
): AsyncGenerator<AuditFault, void, undefined> {
  const strangeKeys = new Set<string>()
  const missing = new Map(heads.map(({ number, root }) => [root.toString('hex'), number]))
  let before: BatchRoot | undefined
  for await (const root of roots) {
    yield* linkFaults(root, before?.node === root.node ? before : undefined)
    const key = keys.get(root.key_id)
    if (key === undefined) yield* unknownKey(root, strangeKeys)
    else yield* contentFaults(root, key, chains)
    missing.delete(root.root.toString('hex'))
    chains.nodes.add(root.node)
    chains.batches += 1
    before = root
  }
  for (const [root, number] of missing) {
    const message = `the recorder of this machine wrote it with the root ${root}; it is gone, or another is in its place`
    yield batchFault('truncated batches', before?.node ?? 'unknown', number, message)
  }
}

/** Whether a root follows the one before it. */
function* linkFaults(root: BatchRoot, before: BatchRoot | undefined): Generator<AuditFault> {
  const { node, number } = root
  const expected = (before?.number ?? 0) + 1
  if (number !== expected) {
    const missing = number - 1 === expected ? `batch ${expected} is` : `batches ${expected} to ${number - 1} are`
    yield batchFault('missing batch', node, expected, `${missing} missing before batch ${number}`)
  } else if (!root.previous.equals(before?.root ?? NO_ROOT)) {
    const whose = before === undefined ? 'zeros, as the first one must' : `the root of batch ${before.number}`
    yield batchFault('edited batch', node, number, `it does not follow ${whose}: it or the one before was changed`)
  }
}

/** Told once a key and node: all batches of a node are often signed by the same one. */
function* unknownKey({ node, number, key_id }: BatchRoot, told: Set<string>): Generator<AuditFault> {
  if (told.has(`${node} ${key_id}`)) return
  told.add(`${node} ${key_id}`)
  const message = `from here on batches name key ${key_id}, whose public half was not given, so their signatures were not checked`
  yield batchFault('unknown key', node, number, message)
}

function* contentFaults(root: BatchRoot, key: KeyObject, chains: Chains): Generator<AuditFault> {
  const fault = verifyRoot(root, key, undefined)
  if (fault !== undefined) yield batchFault('edited batch', root.node, root.number, WORDS[fault])
  else if (root.kind === 'dropped') chains.dropped.add(droppedMonth(root).month)
}

const WORDS: Readonly<Record<RootFault, string>> = {
  previous: 'it does not follow the batch before it',
  leaf_count: 'leaf_count is not how many leaves it has',
  root: 'its root is not the hash of what it holds',
  key: 'its key_id is not that of the key',
  signature: 'its signature was not made by its key over its root',
}

/** Throws where a signed entry is not what recorders write. */
function droppedMonth({ leaves }: BatchRoot): DroppedMonth {
  return JSON.parse(leaves.toString())
}
