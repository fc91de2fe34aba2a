import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { StreamEvent } from '../stream/events.ts'
import { shortType } from '../stream/journal.ts'

const BUCKETS_S = [0.005, 0.025, 0.1, 0.25, 1, 5, 20]

/** Registers the control plane's metrics; the answer counts every stream event (OB-1). */
export function streamMetrics(registry: Registry, streams: () => number): (event: StreamEvent) => void {
  const registers = [registry]
  const labelNames = ['type'] as const
  const acks = new Counter({ name: 'xds_acks_total', help: 'Responses that Envoys accepted.', labelNames, registers })
  const nacks = new Counter({ name: 'xds_nacks_total', help: 'Responses that Envoys rejected.', labelNames, registers })
  const deadlines = new Counter({
    name: 'xds_gate_deadline_total',
    help: 'Waits of a rollout that ended at their deadline: clusters taken back, or routes sent without them.',
    registers,
  })
  const push = new Histogram({
    name: 'xds_push_seconds',
    help: 'Time from sending a response to its acknowledgement.',
    labelNames,
    buckets: BUCKETS_S,
    registers,
  })
  new Gauge({
    name: 'xds_streams',
    help: 'Open ADS streams.',
    registers,
    collect() {
      this.set(streams())
    },
  })
  return (event) => {
    if (event.kind === 'withdrawn' || event.kind === 'unready') deadlines.inc()
    if (event.kind === 'nack') nacks.inc({ type: shortType(event.type) })
    if (event.kind !== 'ack') return
    const type = shortType(event.type)
    acks.inc({ type })
    push.observe({ type }, event.ms / 1000)
  }
}
