import type { AuditView } from '../../store/view.ts'
import { type Chains, verifyChains, type Witnesses } from './chain.ts'
import { columnFaults } from './columns.ts'
import { type AuditFault, rowFault } from './fault.ts'
import { verifyRows } from './matching.ts'

/** How to verify, and what is counted meanwhile. */
export interface DatabaseVerification extends Witnesses {
  /** Rows that wait in dead letters (recorder.ts). */
  readonly parked: ReadonlySet<string>
  /** Rows of this time only, epoch µs; batches are verified all the same. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** Halves and leaves of a node that may wait in memory for their other side (matching.ts). */
  readonly mostWaiting?: number | undefined
  /** Told of each row that was read. */
  readonly onRow: () => void
}

/** What was verified. */
export interface DatabaseCounts {
  readonly rows: number
  readonly batches: number
  readonly nodes: readonly string[]
}

/**
 * Verifies the audit in PostgreSQL as an administrator sees it in one snapshot, and yields each finding: batch chains and signatures, columns
 * against bytes, bytes against what batches signed, rows and leaves that lack the other. Returns what was verified.
 */
export async function* verifyDatabase(
  view: AuditView,
  options: DatabaseVerification,
): AsyncGenerator<AuditFault, DatabaseCounts, undefined> {
  const { from, to, parked, mostWaiting } = options
  const chains: Chains = { nodes: new Set(), dropped: new Set(), batches: 0 }
  yield* verifyChains(view.roots(), options, chains)
  let rows = 0
  const onRow = () => {
    rows += 1
    options.onRow()
  }
  const nodes = [...chains.nodes]
  for (const node of nodes)
    yield* verifyRows(view, { node, from, to, dropped: chains.dropped, parked, mostWaiting, onRow })
  if ((await view.count({ from, to })) > rows) yield* strangers(view, options, nodes, onRow)
  return { rows, batches: chains.batches, nodes }
}

/** Rows of nodes that never wrote a batch. */
async function* strangers(
  view: AuditView,
  { from, to }: Pick<DatabaseVerification, 'from' | 'to'>,
  nodes: readonly string[],
  onRow: () => void,
): AsyncGenerator<AuditFault, void, undefined> {
  for await (const row of view.stream({ from, to, order: 'oldest' })) {
    if (nodes.includes(row.node)) continue
    onRow()
    yield* columnFaults(row)
    yield rowFault('added row', row.node, row, 'its node has no batches at all')
  }
}
