import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { encode } from '../protos/auth.ts'
import { drainOnSignal } from '../runtime/drain.ts'
import { createHealth } from '../runtime/health.ts'
import { createLog } from '../runtime/log.ts'
import { createMetrics } from '../runtime/metrics.ts'
import { SpoolMetrics } from './audit/spool/metrics.ts'
import { Quota } from './audit/spool/quota.ts'
import { Spool } from './audit/spool/spool.ts'
import { createCheck } from './check.ts'
import { readAuthzConfig } from './config.ts'
import { KeySets } from './identity/key-sets.ts'
import { Memo } from './memo.ts'
import { CheckMetrics } from './metrics.ts'
import { serveChecks } from './server.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** Random bytes that tell one life of a worker from all others. */
const BOOT_BYTES = 6

const config = readAuthzConfig()
const index = process.argv[2] ?? '0'
const log = createLog(`ext-authz-${index}`, config.logLevel)
const registry = createMetrics('ext-authz')
const health = createHealth('the socket')

const keys = new KeySets({ folder: join(config.runDir, 'jwks'), log, now: Date.now, random: Math.random })
await keys.restore()

const spoolDir = config.spoolDir ?? join(config.runDir, 'spool')
const spoolFolder = join(spoolDir, index)
const spoolMetrics = new SpoolMetrics(registry)
const spool = await Spool.open({
  folder: spoolFolder,
  node: config.node,
  worker: Number(index),
  boot: randomBytes(BOOT_BYTES).toString('hex'),
  mode: config.spoolMode,
  segmentBytes: config.segmentBytes,
  segmentMs: config.segmentSeconds * 1000,
  log,
  now: Date.now,
  onSync: spoolMetrics.synced,
})
spoolMetrics.follow(spool, spoolFolder)
const logFolders = config.accessLog === undefined ? [] : [dirname(config.accessLog)]
const quota = new Quota({ folders: [spoolDir, ...logFolders], bytes: config.spoolQuota })
// Known before the first Check: a worker that starts on a full disk must not take a request for one on an empty one.
await quota.look()

const check = createCheck({
  keys,
  memo: new Memo(config.memo),
  metrics: new CheckMetrics(registry),
  log,
  now: Date.now,
  encode: (response) => encode('envoy.service.auth.v3.CheckResponse', response),
  style: { base: config.problemBase },
  showFaults: config.environment === 'development',
  spool,
  quota,
})
const socket = join(config.runDir, `ext-authz-${index}.sock`)
const server = await serveChecks({ socket, health, check })

drainOnSignal({
  health,
  log,
  closers: [
    { name: 'the socket', close: () => server.close() },
    { name: 'the spool', close: () => spool.close() },
    { name: 'the quota', close: () => quota.stop() },
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
