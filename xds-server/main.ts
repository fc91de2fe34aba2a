import { hostname } from 'node:os'
import { Gauge } from 'prom-client'
import { drainOnSignal } from '../runtime/drain.ts'
import { createHealth } from '../runtime/health.ts'
import { createLog } from '../runtime/log.ts'
import { createMetrics } from '../runtime/metrics.ts'
import { serveOperations } from '../runtime/operations.ts'
import { readXdsConfig } from './config.ts'
import { liveDefinitions, watchedFor } from './definitions.ts'
import { streamMetrics } from './status/metrics.ts'
import { statusOf } from './status/status.ts'
import { createXdsServer } from './stream/server.ts'
import { watchFiles } from './watch.ts'

const config = readXdsConfig()
const log = createLog('xds-server', config.logLevel)
const health = createHealth('valid definitions')
const metrics = createMetrics('xds-server')
const count = streamMetrics(metrics, () => server.streams.size)

const server = await createXdsServer({
  address: `${config.xdsAddress.includes(':') ? `[${config.xdsAddress}]` : config.xdsAddress}:${config.xdsPort}`,
  identifier: `sallyport/${hostname()}/${process.pid}`,
  log,
  now: Date.now,
  onEvent: count,
})
const watching = await watchFiles(
  watchedFor(config.definitions, config.bindings),
  () => definitions.reload(),
  (err) => log.warn({ err }, 'the system does not report changes of a folder: edits in it are seen a second later'),
)
const definitions = liveDefinitions({
  folder: config.definitions,
  bindings: config.bindings,
  translate: { problemBase: config.problemBase, caFile: config.upstreamCa, accessLog: config.accessLog },
  log,
  publish: (snapshot) => {
    server.publish(snapshot)
    health.move({ at: 'ready' })
  },
  settled: (withinMs) => server.settled(withinMs),
  watch: (watched) => watching.retarget(watched),
})
new Gauge({
  name: 'tls_certificate_not_after_seconds',
  help: 'When the served certificate expires, Unix time.',
  labelNames: ['certificate'],
  registers: [metrics],
  collect() {
    for (const { name, expiresAt } of definitions.certificates().values()) {
      this.set({ certificate: name }, expiresAt.getTime() / 1_000)
    }
  },
})
const operations = await serveOperations({
  address: '127.0.0.1',
  port: config.statusPort,
  health,
  metrics,
  pages: { '/status': () => statusOf(server.snapshot, definitions.error(), server.streams, Date.now()) },
})

drainOnSignal({
  health,
  log,
  closers: [
    { name: 'the file watch', close: () => watching.close() },
    { name: 'the definitions', close: () => definitions.close() },
    { name: 'the ADS server', close: () => server.close() },
    { name: 'the operations server', close: () => operations.close() },
  ],
})
log.info({ xdsPort: server.port, statusPort: operations.port, definitions: config.definitions }, 'xds-server started')
definitions.reload()
