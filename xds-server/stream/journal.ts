import type { Log } from '../../runtime/log.ts'
import type { TypeUrl } from '../snapshot.ts'
import type { NodeIdentity } from './ads-stream.ts'
import type { Nack, StreamEvent } from './events.ts'

/** Writes down what a person must know of a stream: what Envoy refused, and what was waited for in vain (XD-8). */
export function journal(log: Log, event: StreamEvent, node: NodeIdentity | undefined): void {
  const who = node?.id ?? 'a client'
  switch (event.kind) {
    case 'nack':
      log.error({ node: who, type: event.type, ...event.nack }, refusal(who, event.type, event.nack))
      return
    case 'withdrawn':
      log.error(
        { node: who, names: event.names },
        `${who} did not answer for cluster ${event.names.join(', ')} in time: taken back until it answers or the definition changes`,
      )
      return
    case 'unready':
      log.error(
        { node: who, names: event.names, clusters: event.clusters },
        `${who} gets routes ${event.names.join(', ')} though cluster ${event.clusters.join(', ')} is not ready there: 503 on those`,
      )
      return
    case 'ignored':
      log.warn({ node: who }, `ignored ${event.what}`)
      return
    case 'ack':
    case 'sent':
      log.debug({ node: who, type: event.type, names: event.names }, `${event.kind} ${shortType(event.type)}`)
  }
}

/** A type URL as people say it, such as `Cluster`. */
export function shortType(type: TypeUrl): string {
  return type.slice(type.lastIndexOf('.') + 1)
}

function refusal(who: string, type: TypeUrl, { names, origins, message }: Nack): string {
  const where = origins.length === 0 ? '' : ` (${origins.join(', ')})`
  return `${who} refused ${shortType(type)} ${names.join(', ')}${where}: ${message}; what it had before goes on there`
}
