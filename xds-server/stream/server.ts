import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { discoveryService } from '../../protos/xds.ts'
import type { Log } from '../../runtime/log.ts'
import type { Snapshot } from '../snapshot.ts'
import { type AdsCall, AdsStream, type NodeIdentity } from './ads-stream.ts'
import type { StreamEvent } from './events.ts'

/** Streams at once; an Envoy uses one. */
const MAX_STREAMS = 5000
/** Envoy's reconnect request names every resource that it holds (C9 of facts/xds.md §0). */
const MAX_REQUEST_BYTES = 64 << 20
const MAX_SESSION_MIB = 128
/** C35: both ends notice a dead peer. */
const KEEPALIVE_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 10_000

/** How the server is made. */
export interface XdsServerOptions {
  /** `host:port`; loopback, for it is plaintext. */
  readonly address: string
  readonly identifier: string
  readonly log: Log
  /** Epoch ms. */
  readonly now: () => number
  readonly onEvent?: (event: StreamEvent, node: NodeIdentity | undefined) => void
}

/** A running ADS server. */
export interface XdsServer {
  readonly port: number
  /** Every stream with its state, for status pages. */
  readonly streams: ReadonlySet<AdsStream>
  readonly snapshot: Snapshot | undefined
  /** Steers every stream to a snapshot; one of the same revision changes nothing (C42). */
  publish(snapshot: Snapshot): void
  /** Resolves when every connected client has acknowledged the published snapshot, or at the deadline, with how many have. */
  settled(withinMs: number): Promise<{ readonly acknowledged: number; readonly connected: number }>
  /** Ends all streams at once: a graceful end would never come (C36). */
  close(): void
}

/** Starts serving delta ADS. Streams that come before the first snapshot are turned away with UNAVAILABLE (C5). */
export async function createXdsServer(options: XdsServerOptions): Promise<XdsServer> {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc-node.max_session_memory': MAX_SESSION_MIB,
  })
  const streams = new Set<AdsStream>()
  const waiting = new Set<() => void>()
  let snapshot: Snapshot | undefined
  const synced = () => [...streams].filter(({ rollout }) => rollout.synced).length

  server.addService(
    { DeltaAggregatedResources: discoveryService.DeltaAggregatedResources },
    {
      DeltaAggregatedResources: (call: AdsCall) => {
        if (snapshot === undefined) return turnAway(call, status.UNAVAILABLE, 'no definitions are loaded yet')
        if (streams.size >= MAX_STREAMS)
          return turnAway(call, status.RESOURCE_EXHAUSTED, `${MAX_STREAMS} streams are open`)
        const stream = openStream(call, snapshot, options, () => {
          for (const check of waiting) check()
        })
        streams.add(stream)
        call.once('close', () => forget(stream))
        call.once('cancelled', () => forget(stream))
        call.once('error', () => forget(stream))
      },
    },
  )

  function forget(stream: AdsStream): void {
    stream.close()
    if (streams.delete(stream)) options.log.info({ node: stream.node?.id, streams: streams.size }, 'Envoy disconnected')
    for (const check of waiting) check()
  }

  const port = await bind(server, options.address)
  return {
    port,
    streams,
    get snapshot() {
      return snapshot
    },
    publish(next) {
      if (next.revision === snapshot?.revision) return
      snapshot = next
      for (const stream of streams) stream.retarget(next)
    },
    settled: (withinMs) =>
      new Promise((resolve) => {
        const check = () => {
          if (synced() === streams.size) finish()
        }
        const finish = () => {
          clearTimeout(timer)
          waiting.delete(check)
          resolve({ acknowledged: synced(), connected: streams.size })
        }
        const timer = setTimeout(finish, withinMs)
        waiting.add(check)
        check()
      }),
    close() {
      for (const stream of streams) stream.close()
      server.forceShutdown()
    },
  }
}

function openStream(call: AdsCall, snapshot: Snapshot, options: XdsServerOptions, changed: () => void): AdsStream {
  const { log, now, identifier } = options
  const stream: AdsStream = new AdsStream(call, snapshot, {
    now,
    identifier,
    onNode: (node) => log.info({ node: node.id, cluster: node.cluster, agent: node.agent }, 'Envoy connected'),
    onIgnored: (what) => log.warn({ node: stream.node?.id }, `ignored ${what}`),
    onEvent: (event) => {
      options.onEvent?.(event, stream.node)
      changed()
    },
  })
  return stream
}

function turnAway(call: AdsCall, code: status, details: string): void {
  call.emit('error', { code, details })
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port)
      else reject(new Error(`xDS cannot listen on ${address}`, { cause: error }))
    })
  })
}
