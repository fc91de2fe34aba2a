import { Server, status } from '@grpc/grpc-js'
import type { Log } from '../../runtime/log.ts'
import type { Snapshot } from '../snapshot.ts'
import { type AdsCall, AdsStream, type NodeIdentity } from './ads-stream.ts'
import { acceptConnections } from './connections.ts'
import type { StreamEvent } from './events.ts'
import { journal } from './journal.ts'
import { type Settled, Settlement } from './settlement.ts'
import { deltaMethod } from './wire.ts'

/** What one server bears. */
export interface XdsLimits {
  /** Streams at once; an Envoy uses one. More are turned away with RESOURCE_EXHAUSTED. Default 5,000. */
  readonly streams: number
  /** How long a client may read nothing of what is sent to it, ms; then its connection is cut (C40). Default 10,000. */
  readonly drainMs: number
  /** How often a connection is probed, ms (C35). Default 30,000. */
  readonly keepaliveMs: number
  /** How long a probe may stay unanswered, ms; then the peer is dead. Default 10,000. */
  readonly keepaliveTimeoutMs: number
}

const LIMITS: XdsLimits = { streams: 5_000, drainMs: 10_000, keepaliveMs: 30_000, keepaliveTimeoutMs: 10_000 }
/** An Envoy that reconnects names every resource it holds; grpc-js would take 4 MiB (facts/xds.md §0). */
const MAX_REQUEST_BYTES = 64 << 20
/** Half-sent frames of one connection, MiB; grpc-js has no limit of its own. */
const MAX_SESSION_MIB = 128

/** How the server is made. */
export interface XdsServerOptions {
  /** `host:port` or `[IPv6]:port`, 0 lets the system choose; loopback, for it is plaintext. */
  readonly address: string
  /** Name of this server, for Envoy's `control_plane.identifier` (C22). */
  readonly identifier: string
  readonly log: Log
  /** Epoch ms. */
  readonly now: () => number
  readonly onEvent?: (event: StreamEvent, node: NodeIdentity | undefined) => void
  readonly limits?: Partial<XdsLimits>
}

/** A running ADS server. */
export interface XdsServer {
  readonly port: number
  /** Every stream with its state, for status pages. */
  readonly streams: ReadonlySet<AdsStream>
  readonly snapshot: Snapshot | undefined
  /** Steers every stream to a snapshot; one of the same revision changes nothing (C42). */
  publish(snapshot: Snapshot): void
  /**
   * Resolves when every client that said who it is has answered for the published snapshot, a refusal included, or after `withinMs`,
   * with how many acknowledged all of it.
   */
  settled(withinMs: number): Promise<Settled>
  /** Ends all streams at once: a graceful end would never come (C36). */
  close(): void
}

/** Starts serving delta ADS. Streams that come before the first snapshot are turned away with UNAVAILABLE (C5). */
export async function createXdsServer(options: XdsServerOptions): Promise<XdsServer> {
  const { log } = options
  const limits = { ...LIMITS, ...options.limits }
  const streams = new Set<AdsStream>()
  const settlement = new Settlement(streams)
  const server = grpcServer(limits)
  let snapshot: Snapshot | undefined

  server.addService(
    { DeltaAggregatedResources: deltaMethod },
    {
      DeltaAggregatedResources: (call: AdsCall) => {
        if (snapshot === undefined) return turnAway(call, status.UNAVAILABLE, 'no definitions are loaded yet')
        if (streams.size >= limits.streams)
          return turnAway(call, status.RESOURCE_EXHAUSTED, `${limits.streams} streams are open`)
        open(call, snapshot)
      },
    },
  )
  const connections = await acceptConnections(server, options.address, {
    limit: limits.streams,
    onError: (err) => log.error({ err }, 'xDS cannot accept connections; Envoys keep what they have'),
  })

  function open(call: AdsCall, target: Snapshot): void {
    const stream: AdsStream = new AdsStream(call, target, {
      now: options.now,
      identifier: options.identifier,
      drainMs: limits.drainMs,
      onNode: (node) => log.info({ node: node.id, cluster: node.cluster, agent: node.agent }, 'Envoy connected'),
      onEvent: (event) => {
        journal(log, event, stream.node)
        options.onEvent?.(event, stream.node)
        settlement.changed()
      },
      onStalled: () => {
        log.error({ node: stream.node?.id }, `${stream.node?.id} read nothing for ${limits.drainMs} ms: cut off`)
        forget(stream)
        connections.drop(call.getPeer())
      },
    })
    streams.add(stream)
    for (const end of ['close', 'cancelled', 'error']) call.once(end, () => forget(stream))
  }

  function forget(stream: AdsStream): void {
    stream.close()
    if (streams.delete(stream)) log.info({ node: stream.node?.id, streams: streams.size }, 'Envoy disconnected')
    settlement.changed()
  }

  return {
    port: connections.port,
    streams,
    get snapshot() {
      return snapshot
    },
    publish(next) {
      if (next.revision === snapshot?.revision) return
      snapshot = next
      for (const stream of streams) stream.retarget(next)
    },
    settled: (withinMs) => settlement.wait(withinMs),
    close() {
      for (const stream of streams) stream.close()
      settlement.finish()
      connections.close()
      server.forceShutdown()
    },
  }
}

function grpcServer({ keepaliveMs, keepaliveTimeoutMs }: XdsLimits): Server {
  return new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc-node.max_session_memory': MAX_SESSION_MIB,
  })
}

function turnAway(call: AdsCall, code: status, details: string): void {
  call.emit('error', { code, details })
}
