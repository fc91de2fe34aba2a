import { availableParallelism } from 'node:os'
import { DEFAULT_PROBLEM_BASE } from '../policies/problems.ts'
import { configure } from '../runtime/config.ts'
import { integer, LOG_LEVEL, oneOf, port, text, url } from '../runtime/settings.ts'
import {
  ACCESS_LOG,
  NODE_NAME,
  SEGMENT_BYTES,
  SEGMENT_SECONDS,
  SPOOL_DIR,
  SPOOL_MODE,
  SPOOL_QUOTA,
} from './audit/settings.ts'
import { MAX_TOKENS } from './memo.ts'

const SETTINGS = {
  runDir: text('SALLYPORT_RUN_DIR', {
    doc: 'Folder shared with Envoy: one socket per worker (ext-authz-0.sock …), and the issuers’ last good keys.',
  }),
  workers: integer('SALLYPORT_WORKERS', {
    doc: 'Worker processes; Envoy spreads Checks over them and retries on another when one dies.',
    default: Math.min(availableParallelism(), 4),
    min: 1,
    max: 64,
  }),
  metricsPort: port('SALLYPORT_AUTHZ_METRICS_PORT', 18_002, 'Serves /metrics, /healthz and /ready on loopback.'),
  problemBase: url('SALLYPORT_PROBLEM_BASE', {
    doc: 'What the `type` of every problem document starts with.',
    default: DEFAULT_PROBLEM_BASE,
  }),
  memo: integer('SALLYPORT_MEMO', {
    doc: 'Verified tokens that a worker remembers; 0 verifies every token of every request again.',
    unit: 'tokens',
    default: MAX_TOKENS,
    min: 0,
    max: 1_000_000,
  }),
  environment: oneOf('SALLYPORT_ENVIRONMENT', ['development', 'production'], {
    doc: 'development adds exception and stack to the 500s of our own faults; production never does.',
    default: 'production',
  }),
  node: NODE_NAME,
  spoolDir: SPOOL_DIR,
  spoolMode: SPOOL_MODE,
  spoolQuota: SPOOL_QUOTA,
  segmentBytes: SEGMENT_BYTES,
  segmentSeconds: SEGMENT_SECONDS,
  accessLog: ACCESS_LOG,
  logLevel: LOG_LEVEL,
} as const

/** The configuration of ext-authz; the main process and its workers read the same environment. */
export const readAuthzConfig = () => configure('ext-authz', SETTINGS)
