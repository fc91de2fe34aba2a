import fc from 'fast-check'
import { AggregatorRegistry, Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { LatencyHistogram } from '../../ext-authz/latency-histogram.ts'

const OPTIONS = { name: 'seconds', help: 'How long.', buckets: [0.001, 0.01, 0.1] }
const stages = ['read', 'record']
const observations = fc.array(
  fc.record({
    stage: fc.constantFrom(...stages),
    seconds: fc.constantFrom(0, 0.0005, 0.001, 0.002, 0.01, 0.1, 0.2, 7),
  }),
)

/** One of ours and one of prom-client, filled alike. */
async function filled(seen: readonly { stage: string; seconds: number }[]) {
  const ours = new Registry()
  const theirs = new Registry()
  for (const registry of [ours, theirs]) registry.setDefaultLabels({ process: 'test' })
  const histogram = new LatencyHistogram({ ...OPTIONS, label: 'stage', registry: ours })
  const reference = new Histogram({ ...OPTIONS, labelNames: ['stage'], registers: [theirs] })
  for (const stage of stages) {
    histogram.series(stage)
    reference.zero({ stage })
  }
  for (const { stage, seconds } of seen) {
    histogram.series(stage).observe(seconds)
    reference.observe({ stage }, seconds)
  }
  return { ours, theirs }
}

test('OB-1 a latency histogram reads as one of prom-client does, alone and added up over workers', async () => {
  await fc.assert(
    fc.asyncProperty(observations, observations, async (first, second) => {
      const workers = [await filled(first), await filled(second)]
      for (const { ours, theirs } of workers)
        expect(sorted(await ours.metrics())).toEqual(sorted(await theirs.metrics()))
      const sum = async (side: 'ours' | 'theirs') =>
        sorted(
          await AggregatorRegistry.aggregate(
            await Promise.all(workers.map((worker) => worker[side].getMetricsAsJSON())),
          ).metrics(),
        )
      expect(await sum('ours')).toEqual(await sum('theirs'))
    }),
    { numRuns: 30 },
  )
})

/** Lines in one order, labels in one order. */
const sorted = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(',').toSorted().join(',')}}`))
    .toSorted()
