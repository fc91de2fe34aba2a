import { get, nodeCommand, type Part, warnings } from '../part.ts'
import type { PortUse } from '../ports.ts'
import type { DatabaseUrls } from '../postgres/database-file.ts'

/** What the recorder is started with. */
export interface RecorderOptions {
  readonly metrics: PortUse
  readonly folders: { readonly spool: string; readonly accessLog: string; readonly recorder: string }
  /** Name of this gateway pod, the same as ext-authz has. */
  readonly node: string
  readonly urls: DatabaseUrls
  /** Envoy's admin interface: it reopens the access log there. */
  readonly envoyAdmin: string
  /** Parts to start after. */
  readonly needs: readonly string[]
  readonly settings: Readonly<Record<string, string>>
}

/** The recorder; ready when its /ready says so. What is not there yet, or gone for a while, it waits for. */
export function recorderPart(options: RecorderOptions): Part {
  const { metrics, folders, urls } = options
  const base = `http://${metrics.address}:${metrics.port}`
  return {
    name: 'recorder',
    needs: options.needs,
    ports: [metrics],
    command: () =>
      nodeCommand('ext-authz/recorder/recorder-main.ts', {
        SALLYPORT_SPOOL_DIR: folders.spool,
        SALLYPORT_ACCESS_LOG: folders.accessLog,
        SALLYPORT_RECORDER_DIR: folders.recorder,
        SALLYPORT_NODE: options.node,
        SALLYPORT_ENVOY_ADMIN: options.envoyAdmin,
        SALLYPORT_RECORDER_METRICS_PORT: metrics.port,
        SALLYPORT_OWNER_URL: urls.owner.reveal(),
        SALLYPORT_WRITER_URL: urls.writer.reveal(),
        SALLYPORT_MAINTAINER_URL: urls.maintainer.reveal(),
        SALLYPORT_READER_URL: urls.reader.reveal(),
        ...options.settings,
      }),
    probe: async (signal) => ((await get(`${base}/ready`, signal))?.status === 200 ? base : undefined),
    show: warnings,
  }
}
