import {
  type ClientDuplexStream,
  credentials,
  makeGenericClientConstructor,
  type StatusObject,
  status,
} from '@grpc/grpc-js'
import type { AggregatedDiscoveryServiceClient } from '../../protos/gen/envoy/service/discovery/v3/AggregatedDiscoveryService.ts'
import type { DeltaDiscoveryRequest } from '../../protos/gen/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts'
import type { DeltaDiscoveryResponse__Output } from '../../protos/gen/envoy/service/discovery/v3/DeltaDiscoveryResponse.ts'
import { discoveryService } from '../../protos/xds.ts'
import type { TypeUrl } from '../../xds-server/snapshot.ts'
import { until } from './until.ts'

export type DeltaResponse = DeltaDiscoveryResponse__Output
type Call = ClientDuplexStream<DeltaDiscoveryRequest, DeltaResponse>

const Client = makeGenericClientConstructor(discoveryService, 'AggregatedDiscoveryService')

/** One connection to an ADS server; streams of one connection share it. */
export class DeltaConnection {
  readonly #client: AggregatedDiscoveryServiceClient

  constructor(port: number) {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // Each connection of a test is a connection of its own.
      'grpc.use_local_subchannel_pool': 1,
    })
    // The constructor makes a client of any service; the definition it was given says which.
    this.#client = client as typeof client & AggregatedDiscoveryServiceClient
  }

  open(nodeId = 'test'): DeltaStream {
    return new DeltaStream(this.#client.DeltaAggregatedResources(), nodeId)
  }

  close(): void {
    this.#client.close()
  }
}

/** One delta ADS stream that says and hears exactly what the test wants; like Envoy, it names its node in the first request only. */
export class DeltaStream {
  readonly #call: Call
  readonly #heard: DeltaResponse[] = []
  #node: { id: string; cluster: string } | undefined
  #end: StatusObject | undefined

  constructor(call: Call, nodeId: string) {
    this.#call = call
    this.#node = { id: nodeId, cluster: 'test' }
    call.on('data', (response: DeltaResponse) => this.#heard.push(response))
    call.on('status', (end) => {
      this.#end = end
    })
    // The status tells it; without a listener it would be an uncaught exception.
    call.on('error', () => undefined)
  }

  /** Sends a request as it is, with the node in the first one. */
  ask(type_url: TypeUrl, request: DeltaDiscoveryRequest = {}): this {
    const node = this.#node
    this.#node = undefined
    return this.raw({ type_url, ...(node !== undefined && { node }), ...request })
  }

  subscribe(type: TypeUrl, ...names: string[]): this {
    return this.ask(type, { resource_names_subscribe: names })
  }

  /** Sends a request with nothing added. */
  raw(request: DeltaDiscoveryRequest): this {
    this.#call.write(request)
    return this
  }

  /** The oldest response of a type that was not asked for yet. */
  next(type: TypeUrl): Promise<DeltaResponse> {
    return until(`a response of ${type}`, () => {
      const index = this.#heard.findIndex(({ type_url }) => type_url === type)
      return index < 0 ? undefined : this.#heard.splice(index, 1)[0]
    })
  }

  /** Responses that came and were not asked for. */
  get unheard(): readonly DeltaResponse[] {
    return this.#heard
  }

  ack({ type_url = '', nonce = '' }: DeltaResponse): this {
    return this.raw({ type_url, response_nonce: nonce })
  }

  nack({ type_url = '', nonce = '' }: DeltaResponse, message: string): this {
    return this.raw({ type_url, response_nonce: nonce, error_detail: { code: status.INVALID_ARGUMENT, message } })
  }

  /** Waits for the next response of a type, acknowledges it and answers with the names in it. */
  async take(type: TypeUrl): Promise<string[]> {
    const response = await this.next(type)
    this.ack(response)
    return (response.resources ?? []).map(({ name = '' }) => name)
  }

  /** Does not read any more. */
  pause(): void {
    this.#call.pause()
  }

  /** How the stream ended. */
  ended(): Promise<StatusObject> {
    return until('the end of the stream', () => this.#end)
  }

  cancel(): void {
    this.#call.cancel()
  }
}
