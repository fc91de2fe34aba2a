import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { DeltaDiscoveryRequest__Output } from '../../protos/gen/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts'
import type { DeltaDiscoveryResponse } from '../../protos/gen/envoy/service/discovery/v3/DeltaDiscoveryResponse.ts'
import { isServed, type Snapshot, type TypeUrl } from '../snapshot.ts'
import type { Nack, StreamEvent } from './events.ts'
import { Rollout, type Send } from './rollout.ts'
import type { Answer } from './subscription.ts'

/** How long a client may leave our bytes unread before its stream is dropped, ms (C40). */
const DRAIN_DEADLINE_MS = 10_000

/** Who is at the other end, from the first request of the stream (C1). */
export interface NodeIdentity {
  readonly id: string
  readonly cluster: string
  /** Such as `envoy 1.40.0`. */
  readonly agent: string
}

export type AdsCall = ServerDuplexStream<DeltaDiscoveryRequest__Output, DeltaDiscoveryResponse>

/** What a stream needs of its server. */
export interface StreamHost {
  readonly now: () => number
  /** Name of this server, for Envoy's `control_plane.identifier` (C22). */
  readonly identifier: string
  readonly onNode: (node: NodeIdentity) => void
  readonly onEvent: (event: StreamEvent) => void
  /** A request that is understood and not served, such as an unknown type (C3). */
  readonly onIgnored: (what: string) => void
}

/** One delta ADS stream: requests in, responses out, one state of its own (C2). */
export class AdsStream {
  readonly rollout: Rollout
  readonly lastNack = new Map<TypeUrl, Nack>()
  node: NodeIdentity | undefined
  lastAckAt: number | undefined
  readonly #call: AdsCall
  readonly #host: StreamHost
  #deadline: NodeJS.Timeout | undefined
  #draining: NodeJS.Timeout | undefined
  #open = true

  constructor(call: AdsCall, target: Snapshot, host: StreamHost) {
    this.rollout = new Rollout(target, host.now)
    this.#call = call
    this.#host = host
    call.on('data', (request: DeltaDiscoveryRequest__Output) => this.#receive(request))
    call.on('drain', () => this.#drained())
    call.on('end', () => call.end())
  }

  /** Steers the client to another snapshot. */
  retarget(target: Snapshot): void {
    this.rollout.retarget(target)
    this.#flush()
  }

  /** Ends the state; the call itself is the server's to end. */
  close(): void {
    this.#open = false
    clearTimeout(this.#deadline)
    clearTimeout(this.#draining)
  }

  #receive(request: DeltaDiscoveryRequest__Output): void {
    const fault = this.#identify(request)
    if (fault !== undefined) {
      this.#fail(status.INVALID_ARGUMENT, fault)
      return
    }
    const type = request.type_url ?? ''
    if (!isServed(type)) {
      this.#host.onIgnored(`a request for ${type}, a type that is not served`)
      return
    }
    const answer = this.rollout.receive(type, request)
    if (answer !== undefined) this.#note(type, answer)
    this.#flush()
  }

  /** C1: the node is only promised on the first request. C3: ADS without a type means nothing. */
  #identify({ node, type_url }: DeltaDiscoveryRequest__Output): string | undefined {
    if (this.node === undefined) {
      if (!node?.id) return 'the first request of a stream must carry node.id'
      const { major_number = 0, minor_number = 0, patch = 0 } = node.user_agent_build_version?.version ?? {}
      const agent = `${node.user_agent_name ?? 'unknown'} ${major_number}.${minor_number}.${patch}`
      this.node = { id: node.id, cluster: node.cluster ?? '', agent }
      this.#host.onNode(this.node)
    }
    return type_url ? undefined : 'a request on an aggregated stream must carry type_url'
  }

  #note(type: TypeUrl, answer: Answer): void {
    const { response } = answer
    const at = this.#host.now()
    if (answer.kind === 'ack') {
      this.lastAckAt = at
      this.#host.onEvent({ kind: 'ack', type, names: [...response.sent.keys()], ms: at - response.at })
      return
    }
    const names = answer.rejected.length > 0 ? answer.rejected : [...response.sent.keys()]
    const origins = names.flatMap((name) => response.sent.get(name)?.origin ?? [])
    const nack: Nack = { names, origins, message: answer.message, at }
    this.lastNack.set(type, nack)
    this.#host.onEvent({ kind: 'nack', type, nack })
  }

  #flush(): void {
    if (!this.#open || this.#draining !== undefined) return
    for (const send of this.rollout.next()) {
      const room = this.#call.write(this.#response(send))
      const names = [...send.resources.map(({ name }) => name), ...send.removed]
      this.#host.onEvent({ kind: send.withdrawn ? 'withdrawn' : 'sent', type: send.type, names })
      if (!room) {
        this.#draining = setTimeout(
          () => this.#fail(status.RESOURCE_EXHAUSTED, 'the client does not read'),
          DRAIN_DEADLINE_MS,
        )
        return
      }
    }
    this.#schedule()
  }

  #drained(): void {
    clearTimeout(this.#draining)
    this.#draining = undefined
    this.#flush()
  }

  #schedule(): void {
    clearTimeout(this.#deadline)
    const at = this.rollout.deadline()
    if (at === undefined) return
    this.#deadline = setTimeout(() => this.#flush(), Math.max(0, at - this.#host.now()) + 1)
  }

  #response({ type, nonce, revision, resources, removed }: Send): DeltaDiscoveryResponse {
    return {
      system_version_info: revision,
      type_url: type,
      nonce,
      control_plane: { identifier: `${this.#host.identifier} ${revision}` },
      resources: resources.map(({ name, version, body }) => ({ name, version, resource: body })),
      removed_resources: [...removed],
    }
  }

  #fail(code: status, details: string): void {
    this.close()
    this.#call.emit('error', { code, details })
  }
}
