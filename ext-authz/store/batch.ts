import type { AuditOutcome, AuditRow, COMPLETION_COLUMNS } from './audit-row.ts'

/** The completion of a row that was written `open` before it came. Its outcome becomes `outcome`. */
export interface LateCompletion extends Pick<AuditRow, (typeof COMPLETION_COLUMNS)[number]> {
  readonly timestamp: number
  readonly id: string
  readonly outcome: Extract<AuditOutcome, 'completed'>
}

/** All requests of a node that began before an Envoy's end and are still open: they will not be completed (design.md §7). */
export interface Ended {
  readonly node: string
  /** Epoch µs. */
  readonly before: number
}

/** What a leaf of a batch root stands for. */
export const LEAF_KINDS = ['decision', 'completion', 'superseded'] as const
export type LeafKind = (typeof LEAF_KINDS)[number]

/** One hash that a batch vouches for. `superseded`: a decision of a retried Check whose row holds another worker's. */
export interface Leaf {
  readonly kind: LeafKind
  readonly timestamp: number
  readonly id: string
  /** SHA-256 of the half's bytes. */
  readonly hash: Buffer
}

/**
 * What a root vouches for: the halves that one batch wrote, or a month that retention drops (its
 * `leaves` are a {@link DroppedMonth}).
 */
export const ROOT_KINDS = ['batch', 'dropped'] as const
export type RootKind = (typeof ROOT_KINDS)[number]

/**
 * UTF-8 JSON in the `leaves` of a `dropped` root, written before the drop: what is gone, so that `audit verify` does
 * not miss it.
 */
export interface DroppedMonth {
  /** `2026-08`, UTC. */
  readonly month: string
  /** How many rows, of all nodes. */
  readonly rows: number
  /** Hex SHA-256 over keys and hashes of its rows in order, as `sallyport.digest_gateway_audit_month` makes it. */
  readonly digest: string
}

/** Signed root over the leaves of one batch, chained to the one before (design.md §7, "Tamper evidence"). */
export interface BatchRoot {
  readonly kind: RootKind
  readonly node: string
  /** 1, 2, 3 … per node, without gaps. */
  readonly number: number
  /** Epoch µs. */
  readonly made_at: number
  /** Root of the batch before; 32 zero bytes for the first. */
  readonly previous: Buffer
  /** Wire form of all leaves, see ext-authz/audit/roots.ts; of kind `dropped` the JSON of a {@link DroppedMonth}. */
  readonly leaves: Buffer
  /** 0 of kind `dropped`. */
  readonly leaf_count: number
  readonly root: Buffer
  /** Ed25519. */
  readonly signature: Buffer
  /** First 16 hex digits of the SHA-256 of the public key (SPKI DER). */
  readonly key_id: string
}

/** What one transaction writes; writing it twice changes nothing the second time. */
export interface Batch {
  readonly rows: readonly AuditRow[]
  readonly late: readonly LateCompletion[]
  readonly ended: readonly Ended[]
  readonly root: BatchRoot
}
