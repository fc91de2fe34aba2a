import { type Snapshot, TYPES, type TypeUrl } from '../snapshot.ts'
import type { AdsStream } from '../stream/ads-stream.ts'

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
  readonly pending: readonly { readonly name: string; readonly wanted: string; readonly waitsFor?: readonly string[] }[]
  /** How long the oldest unanswered response is out. */
  readonly lagMs?: number
  readonly lastNack?: {
    readonly names: readonly string[]
    readonly origins: readonly string[]
    readonly message: string
    readonly at: string
  }
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
  const subscription = rollout.subscriptions.get(type)
  const pending = rollout.pending(type).map((wanted) => {
    const waitsFor = rollout.waitsFor(wanted)
    return { name: wanted.name, wanted: wanted.version, ...(waitsFor.length === 0 ? {} : { waitsFor }) }
  })
  const oldest = Math.min(...[...(subscription?.outstanding.values() ?? [])].map(({ at }) => at))
  const nack = lastNack.get(type)
  const rejected = (subscription?.rejected.size ?? 0) > 0
  return {
    type: type.slice(type.lastIndexOf('.') + 1),
    state: rejected ? 'ERROR' : pending.length > 0 || Number.isFinite(oldest) ? 'PENDING' : 'SYNCED',
    acknowledged: Object.fromEntries([...(subscription?.held ?? [])].map(([name, { version }]) => [name, version])),
    pending,
    ...(Number.isFinite(oldest) ? { lagMs: now - oldest } : {}),
    ...(nack === undefined ? {} : { lastNack: { ...nack, at: new Date(nack.at).toISOString() } }),
  }
}
