import { availableParallelism } from 'node:os'
import { configure } from '../config.ts'
import { integer, LOG_LEVEL, optionalSecret, optionalText, optionalUrl, text } from '../settings.ts'
import { STATE } from './checkout.ts'
import { PORT_SETTINGS } from './ports-table.ts'

const CORES = availableParallelism()

/** Settings of `sallyport up`; read once, handed on to the parts that they concern. The other commands read them to find it. */
export const UP_SETTINGS = {
  ...PORT_SETTINGS,
  definitions: text('SALLYPORT_DEFINITIONS', {
    doc: 'Folder of gateway definitions, watched for edits.',
    default: 'policies/gateways',
  }),
  state: text('SALLYPORT_STATE', {
    doc: 'Folder for development keys, tokens, logs, sockets, spools and the database; one `up` at a time.',
    default: STATE,
  }),
  workers: integer('SALLYPORT_WORKERS', {
    doc: 'Worker processes of ext-authz.',
    default: Math.min(CORES, 4),
    min: 1,
    max: 64,
  }),
  concurrency: integer('SALLYPORT_ENVOY_CONCURRENCY', {
    doc: 'Worker threads of Envoy.',
    default: CORES,
    min: 1,
    max: 256,
  }),
  envoyBinary: optionalText('ENVOY_BIN', 'Path of an Envoy 1.40 or newer to run instead of the pinned one.'),
  externalIssuer: optionalUrl('OIDC_ISSUER', 'Issuer to use instead of the development issuer.'),
  databaseUrl: optionalSecret(
    'DATABASE_URL',
    'PostgreSQL to use instead of the embedded one: URL of a role that owns its database and may make roles.',
  ),
  node: optionalText(
    'SALLYPORT_NODE',
    'Name of this gateway pod in every audit row; default one made at the first start and kept in the state folder.',
  ),
  spoolMode: optionalText('SALLYPORT_SPOOL_MODE', 'group or strict: when a decision counts as written; see ext-authz.'),
  spoolQuota: optionalText('SALLYPORT_SPOOL_QUOTA', 'Bytes for the spools and the access log together; see ext-authz.'),
  problemBase: optionalUrl('SALLYPORT_PROBLEM_BASE', 'What the `type` of every problem document starts with.'),
  logLevel: LOG_LEVEL,
} as const

/** The configuration of `up`; ends the process on a mistake or `--print-config`. */
export const readUpConfig = () => configure('up', UP_SETTINGS)

export type UpConfig = ReturnType<typeof readUpConfig>
