import { configure, type Setting } from '../../runtime/config.ts'
import { Secret } from '../../runtime/secret.ts'
import { integer, LOG_LEVEL, optionalSecret, optionalUrl, port, text } from '../../runtime/settings.ts'
import { NODE_NAME } from '../audit/settings.ts'

const SETTINGS = {
  node: NODE_NAME,
  spoolDir: text('SALLYPORT_SPOOL_DIR', {
    doc: 'Folder with the decision spools of ext-authz, one folder per worker; what is recorded is deleted from it.',
  }),
  accessLog: text('SALLYPORT_ACCESS_LOG', {
    doc: 'Absolute path of Envoy’s live access log; its renamed forms are read beside it, and deleted when they are recorded.',
  }),
  recorderDir: text('SALLYPORT_RECORDER_DIR', {
    doc: 'The recorder’s own folder: cursors, the batch being written, dead letters and the signing key; must survive a restart.',
  }),
  writerUrl: secretUrl('SALLYPORT_WRITER_URL', 'PostgreSQL as the login that inserts and completes rows.'),
  maintainerUrl: secretUrl('SALLYPORT_MAINTAINER_URL', 'PostgreSQL as the login that makes and drops partitions.'),
  ownerUrl: optionalSecret(
    'SALLYPORT_OWNER_URL',
    'PostgreSQL as the owner of the schema: the recorder then brings the schema up to date and makes the logins, also the reader’s.',
  ),
  readerUrl: optionalSecret(
    'SALLYPORT_READER_URL',
    'PostgreSQL as the login that reads; needed beside SALLYPORT_OWNER_URL, to make that login.',
  ),
  envoyAdmin: optionalUrl(
    'SALLYPORT_ENVOY_ADMIN',
    'Envoy’s admin interface, to have it reopen its log when that is renamed; without it the log is not rotated by size.',
  ),
  logBytes: integer('SALLYPORT_LOG_BYTES', {
    doc: 'The access log is rotated at this size; recorded ones are deleted whole.',
    unit: 'bytes',
    default: 2 ** 26,
    min: 65_536,
    max: 2 ** 34,
  }),
  batchRows: integer('SALLYPORT_BATCH_ROWS', {
    doc: 'A batch is written when it has so many rows; up to 2,000 are written at once while there is a backlog (AU-3).',
    unit: 'rows',
    default: 100,
    min: 1,
    max: 2_000,
  }),
  batchMs: integer('SALLYPORT_BATCH_MS', {
    doc: 'A batch is written at this age though it has fewer rows; sooner shows rows sooner and costs commits (AU-3).',
    unit: 'ms',
    default: 5_000,
    min: 100,
    max: 60_000,
  }),
  retentionDays: integer('SALLYPORT_RETENTION_DAYS', {
    doc: 'Months that ended longer ago are dropped, after a signed entry says what was in them (AU-4).',
    unit: 'days',
    default: 90,
    min: 31,
    max: 36_500,
  }),
  metricsPort: port('SALLYPORT_RECORDER_METRICS_PORT', 18_003, 'Serves /metrics, /healthz and /ready on loopback.'),
  logLevel: LOG_LEVEL,
} as const

/** The configuration of the recorder. */
export const readRecorderConfig = () => configure('recorder', SETTINGS)

function secretUrl(name: string, doc: string): Setting<Secret> {
  return { name, doc, secret: true, parse: (value) => new Secret(value) }
}
