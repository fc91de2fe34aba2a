import { type Resource, type Snapshot, TYPES, type TypeUrl } from '../snapshot.ts'
import type { AdsStream } from '../stream/ads-stream.ts'
import { shortType } from '../stream/journal.ts'
import type { Rollout } from '../stream/rollout.ts'

/** What `GET /status` says (XD-4). */
export interface Status {
  /** Revision of the snapshot that is published; absent before the first. */
  readonly revision?: string
  /** The definitions on disk could not be loaded: why, ready for a terminal. The published snapshot stays. */
  readonly definitionError?: string
  readonly envoys: readonly EnvoyStatus[]
}

/** One stream; two of one node id are two rows, for replicas and reconnects may share an id (C2). */
export interface EnvoyStatus {
  readonly node: string
  readonly cluster: string
  readonly agent: string
  /** True when everything it asked for of the published revision is acknowledged. */
  readonly synced: boolean
  /** ISO time of its last acknowledgement. */
  readonly lastAck?: string
  readonly types: readonly TypeStatus[]
}

/** One resource type on one stream. */
export interface TypeStatus {
  /** Such as `Cluster`. */
  readonly type: string
  readonly state: 'SYNCED' | 'PENDING' | 'ERROR'
  /** Acknowledged version by name. */
  readonly acknowledged: Readonly<Record<string, string>>
  /** What it should have and has not acknowledged, with what that waits for. */
  readonly pending: readonly PendingStatus[]
  /** How long the oldest unanswered response is out. */
  readonly lagMs?: number
  readonly lastNack?: {
    readonly names: readonly string[]
    readonly origins: readonly string[]
    readonly message: string
    readonly at: string
  }
}

/** One resource that an Envoy should have and has not acknowledged. */
export interface PendingStatus {
  readonly name: string
  /** The version it should have. */
  readonly wanted: string
  /** Present when it will not be sent again as it is: Envoy refused it, or never answered for it. */
  readonly refused?: true
  /** Clusters that must be warm first. */
  readonly waitsFor?: readonly string[]
}

/** The state of all streams at one moment. */
export function statusOf(
  published: Snapshot | undefined,
  definitionError: string | undefined,
  streams: Iterable<AdsStream>,
  now: number,
): Status {
  return {
    ...(published === undefined ? {} : { revision: published.revision }),
    ...(definitionError === undefined ? {} : { definitionError }),
    envoys: [...streams].filter(({ node }) => node !== undefined).map((stream) => envoyStatus(stream, now)),
  }
}

function envoyStatus(stream: AdsStream, now: number): EnvoyStatus {
  const { node, rollout, lastAckAt } = stream
  return {
    node: node?.id ?? '',
    cluster: node?.cluster ?? '',
    agent: node?.agent ?? '',
    synced: rollout.synced,
    ...(lastAckAt === undefined ? {} : { lastAck: new Date(lastAckAt).toISOString() }),
    types: TYPES.filter((type) => rollout.subscriptions.get(type)?.started).map((type) =>
      typeStatus(stream, type, now),
    ),
  }
}

function typeStatus({ rollout, lastNack }: AdsStream, type: TypeUrl, now: number): TypeStatus {
  const { held = [], outstanding = new Map() } = rollout.subscriptions.get(type) ?? {}
  const pending = rollout.pending(type).map((item) => pendingStatus(rollout, item))
  const sentAt = [...outstanding.values()].map(({ at }) => at)
  const nack = lastNack.get(type)
  return {
    type: shortType(type),
    state: stateOf(pending, sentAt.length),
    acknowledged: Object.fromEntries([...held].map(([name, { version }]) => [name, version])),
    pending,
    ...(sentAt.length > 0 && { lagMs: now - Math.min(...sentAt) }),
    ...(nack !== undefined && { lastNack: { ...nack, at: new Date(nack.at).toISOString() } }),
  }
}

function pendingStatus(rollout: Rollout, item: Resource): PendingStatus {
  const waitsFor = rollout.waitsFor(item)
  return {
    name: item.name,
    wanted: item.version,
    ...(rollout.isRefused(item) && { refused: true }),
    ...(waitsFor.length > 0 && { waitsFor }),
  }
}

function stateOf(pending: readonly PendingStatus[], unanswered: number): TypeStatus['state'] {
  if (pending.some(({ refused }) => refused)) return 'ERROR'
  return pending.length > 0 || unanswered > 0 ? 'PENDING' : 'SYNCED'
}
