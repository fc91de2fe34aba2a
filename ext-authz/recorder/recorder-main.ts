import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { drainOnSignal } from '../../runtime/drain.ts'
import { claim } from '../../runtime/embedded/claim.ts'
import { createHealth } from '../../runtime/health.ts'
import { createLog } from '../../runtime/log.ts'
import { createMetrics } from '../../runtime/metrics.ts'
import { serveOperations } from '../../runtime/operations.ts'
import { openSigningKey } from '../audit/signing-key.ts'
import { openMaintainer } from '../store/maintainer.ts'
import { openWriter } from '../store/writer.ts'
import { readRecorderConfig } from './config.ts'
import { RecorderMetrics } from './metrics.ts'
import { Recorder } from './recorder.ts'
import { Upkeep } from './upkeep.ts'

/** How long a start waits for the schema before it is ready without, ms. */
const SCHEMA_WITHIN_MS = 5_000

const config = readRecorderConfig()
const log = createLog('recorder', config.logLevel)
const health = createHealth('the database')
const registry = createMetrics('recorder')
const metrics = new RecorderMetrics(registry)

const { ownerUrl, readerUrl, writerUrl, maintainerUrl, envoyAdmin, recorderDir } = config
if (ownerUrl !== undefined && readerUrl === undefined) {
  process.stderr.write('recorder: SALLYPORT_OWNER_URL is set, so SALLYPORT_READER_URL must be too: its login is made\n')
  process.exit(64)
}

// Two recorders in one folder would overwrite each other's batches.
const held = await claim(join(recorderDir, 'lock'))
if (held.at === 'taken') {
  log.fatal(
    { holder: held.by.pid },
    `${recorderDir} belongs to the recorder with pid ${held.by.pid}; stop that one first`,
  )
  process.exit(1)
}

const clock = { now: Date.now, random: Math.random }
const maintainer = openMaintainer(maintainerUrl)
const recorder = await Recorder.open({
  node: config.node,
  spoolFolder: config.spoolDir,
  accessLog: config.accessLog,
  folder: recorderDir,
  key: await openSigningKey(recorderDir),
  writer: openWriter(writerUrl),
  maintainer,
  batch: { rows: config.batchRows, ms: config.batchMs },
  metrics,
  log,
  ...clock,
})
const upkeep = new Upkeep({
  maintainer,
  owner:
    ownerUrl === undefined || readerUrl === undefined
      ? undefined
      : { url: ownerUrl, logins: { writer: writerUrl, maintainer: maintainerUrl, reader: readerUrl } },
  retentionDays: config.retentionDays,
  rotation:
    envoyAdmin === undefined ? undefined : { file: config.accessLog, adminUrl: envoyAdmin, maxBytes: config.logBytes },
  sign: (month) => recorder.sign(month),
  monthsAhead: (months) => metrics.monthsAhead.set(months),
  log,
  ...clock,
})
const operations = await serveOperations({
  address: '127.0.0.1',
  port: config.metricsPort,
  health,
  metrics: registry,
  pages: { '/status': () => ({ stuck: recorder.stuck ?? null }) },
})

drainOnSignal({
  health,
  log,
  closers: [
    { name: 'the upkeep', close: () => upkeep.close() },
    { name: 'the recorder', close: () => recorder.close() },
    { name: 'the lock', close: () => held.release() },
    { name: 'the operations server', close: () => operations.close() },
  ],
})
log.info({ node: config.node, metricsPort: operations.port }, 'recorder started')
const running = recorder.run()
// A first start is ready when the audit can be read; but PostgreSQL's absence must not look like a fault of this process.
await Promise.race([upkeep.start(), running.catch(() => undefined), pause(SCHEMA_WITHIN_MS, undefined, { ref: false })])
health.move({ at: 'ready' })
try {
  await running
} catch (err) {
  // The state on disk is that of the last batch: a new process goes on from there.
  log.fatal({ err }, 'the recorder cannot go on')
  process.exit(1)
}
