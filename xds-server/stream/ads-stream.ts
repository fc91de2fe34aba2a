import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { DeltaDiscoveryRequest__Output } from '../../protos/gen/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts'
import { isServed, type Snapshot, type TypeUrl } from '../snapshot.ts'
import { type Nack, quoted, type StreamEvent } from './events.ts'
import { Outlet } from './outlet.ts'
import { Rollout, type Send } from './rollout.ts'
import type { Answer } from './subscription.ts'
import { responseBytes } from './wire.ts'

/** Who is at the other end, from the first request of the stream (C1). */
export interface NodeIdentity {
  readonly id: string
  readonly cluster: string
  /** Such as `envoy 1.40.0`. */
  readonly agent: string
}

/** The call of one stream; responses are written as bytes. */
export type AdsCall = ServerDuplexStream<DeltaDiscoveryRequest__Output, Buffer>

/** What a stream needs of its server. */
export interface StreamHost {
  /** Epoch ms. */
  readonly now: () => number
  /** Name of this server, for Envoy's `control_plane.identifier` (C22). */
  readonly identifier: string
  /** How long a client may take nothing of what is written to it, ms (C40). */
  readonly drainMs: number
  readonly onNode: (node: NodeIdentity) => void
  readonly onEvent: (event: StreamEvent) => void
  /** The client does not read: cut it off. */
  readonly onStalled: () => void
}

/** Unknown types that are mentioned for one stream; more are ignored silently. */
const MAX_IGNORED = 16

/** One delta ADS stream: requests in, responses out, one state of its own (C2). */
export class AdsStream {
  readonly rollout: Rollout
  readonly lastNack = new Map<TypeUrl, Nack>()
  node: NodeIdentity | undefined
  lastAckAt: number | undefined
  readonly #call: AdsCall
  readonly #host: StreamHost
  readonly #outlet: Outlet
  readonly #ignored = new Set<string>()
  #deadline: NodeJS.Timeout | undefined
  #open = true

  constructor(call: AdsCall, target: Snapshot, host: StreamHost) {
    this.rollout = new Rollout(target, host.now)
    this.#call = call
    this.#host = host
    this.#outlet = new Outlet(call, host.drainMs, { onRoom: () => this.#flush(), onStalled: host.onStalled })
    call.on('data', (request: DeltaDiscoveryRequest__Output) => this.#receive(request))
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
    this.#outlet.close()
  }

  #receive(request: DeltaDiscoveryRequest__Output): void {
    if (!this.#open) return
    const fault = this.#identify(request)
    if (fault !== undefined) {
      this.close()
      this.#call.emit('error', { code: status.INVALID_ARGUMENT, details: fault })
      return
    }
    const type = request.type_url ?? ''
    if (!isServed(type)) {
      this.#ignore(type)
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

  #ignore(type: string): void {
    if (this.#ignored.size >= MAX_IGNORED || this.#ignored.has(type)) return
    this.#ignored.add(type)
    this.#host.onEvent({ kind: 'ignored', what: `a request for ${quoted(type)}, a type that is not served` })
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
    const nack: Nack = { names, origins, message: quoted(answer.message), at }
    this.lastNack.set(type, nack)
    this.#host.onEvent({ kind: 'nack', type, nack })
  }

  #flush(): void {
    if (!this.#open || this.#outlet.full) return
    for (const send of this.rollout.next()) {
      this.#outlet.write(responseBytes(send, this.#host.identifier))
      this.#report(send)
      if (this.#outlet.full) return
    }
    this.#schedule()
  }

  #report({ type, resources, removed, withdrawn, without: clusters }: Send): void {
    const names = [...resources.map(({ name }) => name), ...removed]
    this.#host.onEvent({ kind: 'sent', type, names })
    if (withdrawn) this.#host.onEvent({ kind: 'withdrawn', type, names })
    if (clusters !== undefined) this.#host.onEvent({ kind: 'unready', type, names, clusters })
  }

  #schedule(): void {
    clearTimeout(this.#deadline)
    const at = this.rollout.deadline()
    if (at === undefined) return
    this.#deadline = setTimeout(() => this.#flush(), Math.max(0, at - this.#host.now()) + 1)
  }
}
