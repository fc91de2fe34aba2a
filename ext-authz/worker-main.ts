import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { encode } from '../protos/auth.ts'
import { drainOnSignal } from '../runtime/drain.ts'
import { createHealth } from '../runtime/health.ts'
import { createLog } from '../runtime/log.ts'
import { createMetrics } from '../runtime/metrics.ts'
import { createCheck } from './check.ts'
import { readAuthzConfig } from './config.ts'
import { KeySets } from './identity/key-sets.ts'
import { Memo } from './memo.ts'
import { CheckMetrics } from './metrics.ts'
import { serveChecks } from './server.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

const config = readAuthzConfig()
const index = process.argv[2] ?? '0'
const log = createLog(`ext-authz-${index}`, config.logLevel)
const registry = createMetrics('ext-authz')
const health = createHealth('the socket')

const keys = new KeySets({ folder: join(config.runDir, 'jwks'), log, now: Date.now, random: Math.random })
await keys.restore()

const check = createCheck({
  keys,
  memo: new Memo(config.memo),
  metrics: new CheckMetrics(registry),
  log,
  now: Date.now,
  encode: (response) => encode('envoy.service.auth.v3.CheckResponse', response),
  style: { base: config.problemBase },
  showFaults: config.environment === 'development',
})
const socket = join(config.runDir, `ext-authz-${index}.sock`)
const server = await serveChecks({ socket, health, check })

drainOnSignal({
  health,
  log,
  closers: [
    { name: 'the socket', close: () => server.close() },
    { name: 'the issuers’ keys', close: () => keys.close() },
  ],
})

const tell = (message: FromWorker) => process.send?.(message)
process.on('message', async (question: ToWorker) => {
  switch (question.kind) {
    case 'ping':
      tell({ kind: 'pong' })
      break
    case 'metrics':
      tell({ kind: 'metrics', id: question.id, values: await registry.getMetricsAsJSON() })
      break
    case 'look':
      if (!existsSync(socket)) startAgain()
  }
})
function startAgain(): void {
  if (health.phase().at === 'draining') return
  log.error({ socket }, 'the socket was removed: a new Envoy could not connect; draining to be started again')
  process.kill(process.pid, 'SIGTERM')
}
// Without its main process nobody would restart or drain this worker.
process.on('disconnect', () => process.exit(1))
// It may have ended before anybody listened; alone, as in a measurement, there never was one.
if (process.send !== undefined && !process.connected) process.exit(1)

health.move({ at: 'ready' })
tell({ kind: 'serving' })
