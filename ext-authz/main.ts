import { mkdir } from 'node:fs/promises'
import { drainOnSignal } from '../runtime/drain.ts'
import { createHealth } from '../runtime/health.ts'
import { createLog } from '../runtime/log.ts'
import { serveOperations } from '../runtime/operations.ts'
import { readAuthzConfig } from './config.ts'
import { Workers } from './workers.ts'

const config = readAuthzConfig()
const log = createLog('ext-authz', config.logLevel)
const health = createHealth('the workers')
await mkdir(config.runDir, { recursive: true, mode: 0o700 })

const workers = new Workers(config.workers, config.runDir, log, (serving, wanted) => {
  const because = `${serving} of ${wanted} workers serve`
  health.move(serving === wanted ? { at: 'ready' } : { at: 'failing', because })
})
const operations = await serveOperations({ address: '127.0.0.1', port: config.metricsPort, health, metrics: workers })

drainOnSignal({
  health,
  log,
  closers: [
    { name: 'the workers', close: () => workers.stop() },
    { name: 'the operations server', close: () => operations.close() },
  ],
})
log.info({ workers: config.workers, runDir: config.runDir, metricsPort: operations.port }, 'ext-authz started')
