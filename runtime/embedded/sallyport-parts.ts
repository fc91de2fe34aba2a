import { join } from 'node:path'
import type { Secret } from '../secret.ts'
import type { AuditFolders } from './audit-folders.ts'
import type { IssuerAddress } from './bindings.ts'
import type { Part } from './part.ts'
import { envoyPart } from './parts/envoy.ts'
import { extAuthzPart, workerSockets } from './parts/ext-authz.ts'
import { issuerPart } from './parts/issuer.ts'
import { postgresPart } from './parts/postgres.ts'
import { recorderPart } from './parts/recorder.ts'
import { upstreamPart } from './parts/upstream.ts'
import { xdsServerPart } from './parts/xds-server.ts'
import type { PortUse } from './ports.ts'
import { PORT_SETTINGS, type PortName, type Ports } from './ports-table.ts'
import type { DatabaseUrls } from './postgres/database-file.ts'
import { postgresServer } from './postgres/server.ts'

/** The parts of one Sallyport on this machine. */
export type PartName =
  | 'plant'
  | 'plant-sandbox'
  | 'issuer'
  | 'xds-server'
  | 'ext-authz'
  | 'postgres'
  | 'recorder'
  | 'envoy'

/** What is run, as far as it differs between one Sallyport and another. */
export interface PartsOptions {
  /** Path of the Envoy binary. */
  readonly envoy: string
  /** Folder of gateway definitions. */
  readonly definitions: string
  readonly ports: Ports
  /** ext-authz workers. */
  readonly workers: number
  /** Envoy's worker threads. */
  readonly concurrency: number
  /** Tokens come from here instead of the development issuer. */
  readonly issuer?: IssuerAddress
  /** More settings (environment variables) of our own processes, by part. */
  readonly settings?: Readonly<Partial<Record<PartName, Readonly<Record<string, string>>>>>
}

/** Where the parts keep what, and the database, if there is one. */
export interface PartsPlaces {
  readonly dev: string
  readonly run: string
  readonly sockets: string
  readonly bindings: string
  readonly audit: AuditFolders
  /** Absent: neither PostgreSQL nor the recorder is started; what the audit is made of stays in its folders. */
  readonly store?: {
    readonly urls: DatabaseUrls
    /** The embedded PostgreSQL, with its data folder again where that is not in the state folder; absent where an external one stands for it. */
    readonly embedded?: { readonly data: string; readonly password: Secret; readonly elsewhere?: string }
  }
}

/** Every part as data: one more is one file in parts/ and one entry here. */
export function sallyportParts(options: PartsOptions, places: PartsPlaces): readonly Part[] {
  const traffic = beforeEnvoy(options, places)
  // Envoy waits for what decides, and not for what records: traffic goes on without PostgreSQL and without the recorder.
  const needs = traffic.map((part) => part.name)
  return [...traffic, ...storeParts(options, places), envoy(options, places, needs)]
}

function beforeEnvoy(options: PartsOptions, { dev, sockets, bindings, audit }: PartsPlaces): readonly Part[] {
  const at = uses(options.ports)
  const settings = (part: PartName) => options.settings?.[part] ?? {}
  const issuer = issuerPart(at('issuer'), join(dev, 'issuer-keys.json'), settings('issuer'))
  return [
    upstreamPart('plant', at('plant'), settings('plant')),
    upstreamPart('plant-sandbox', at('sandbox'), settings('plant-sandbox')),
    ...(options.issuer === undefined ? [issuer] : []),
    xdsServerPart({
      xds: at('xds'),
      status: at('status'),
      definitions: options.definitions,
      bindings,
      settings: { SALLYPORT_ACCESS_LOG: audit.accessLog, ...settings('xds-server') },
    }),
    extAuthzPart({
      metrics: at('authzMetrics'),
      sockets,
      workers: options.workers,
      settings: {
        SALLYPORT_SPOOL_DIR: audit.spool,
        SALLYPORT_ACCESS_LOG: audit.accessLog,
        SALLYPORT_NODE: audit.node,
        ...settings('ext-authz'),
      },
    }),
  ]
}

function storeParts(options: PartsOptions, { store, audit }: PartsPlaces): readonly Part[] {
  if (store === undefined) return []
  const { ports } = options
  const at = uses(ports)
  // It would wait for PostgreSQL by itself, with a warning and a pause for each vain try: at the first start that is only noise.
  const needs = store.embedded === undefined ? [] : ['postgres']
  const recorder = recorderPart({
    metrics: at('recorderMetrics'),
    folders: audit,
    node: audit.node,
    urls: store.urls,
    envoyAdmin: `http://127.0.0.1:${ports.admin}`,
    needs,
    settings: options.settings?.recorder ?? {},
  })
  if (store.embedded === undefined) return [recorder]
  const server = postgresServer({ ...store.embedded, port: ports.postgres })
  const { elsewhere } = store.embedded
  const part = { at: at('postgres'), server, owner: store.urls.owner, ...(elsewhere ? { elsewhere } : {}) }
  return [postgresPart(part), recorder]
}

function envoy(options: PartsOptions, { run, sockets, audit }: PartsPlaces, needs: readonly string[]): Part {
  const { ports, workers } = options
  const at = uses(ports)
  return envoyPart({
    binary: options.envoy,
    bootstrapFile: join(run, 'envoy.json'),
    bootstrap: {
      nodeId: `sallyport-${process.pid}`,
      nodeCluster: 'sallyport',
      adminPort: ports.admin,
      xdsAddress: '127.0.0.1',
      xdsPort: ports.xds,
      extAuthzSockets: workerSockets(sockets, workers),
    },
    accessLog: audit.accessLog,
    concurrency: options.concurrency,
    admin: at('admin'),
    listeners: [at('http'), at('https')],
    needs,
  })
}

/** Each port on loopback, with the setting that moves it. */
function uses(ports: Ports): (name: PortName) => PortUse {
  return (name) => ({ address: '127.0.0.1', port: ports[name], setting: PORT_SETTINGS[name].name })
}
