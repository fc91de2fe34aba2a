import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { CLUSTER, ROUTES } from '../../../xds-server/snapshot.ts'
import { streamMetrics } from '../../../xds-server/status/metrics.ts'

const nack = { names: ['edge'], origins: [], message: 'no', at: 0 }

test('OB-1 streams, acknowledgements, rejections, push times and missed deadlines are counted', async () => {
  const registry = new Registry()
  const count = streamMetrics(registry, () => 3)
  count({ kind: 'sent', type: CLUSTER, names: ['a'] })
  count({ kind: 'ack', type: CLUSTER, names: ['a'], ms: 30 })
  count({ kind: 'ack', type: CLUSTER, names: ['b'], ms: 2_000 })
  count({ kind: 'nack', type: ROUTES, nack })
  count({ kind: 'withdrawn', type: CLUSTER, names: ['ghost'] })
  count({ kind: 'unready', type: ROUTES, names: ['edge'], clusters: ['ghost'] })
  count({ kind: 'ignored', what: 'a request' })
  const text = await registry.metrics()
  expect(text).toContain('xds_streams 3')
  expect(text).toContain('xds_acks_total{type="Cluster"} 2')
  expect(text).toContain('xds_nacks_total{type="RouteConfiguration"} 1')
  expect(text).toContain('xds_gate_deadline_total 2')
  expect(text).toContain('xds_push_seconds_bucket{le="0.1",type="Cluster"} 1')
  expect(text).toContain('xds_push_seconds_sum{type="Cluster"} 2.03')
})
