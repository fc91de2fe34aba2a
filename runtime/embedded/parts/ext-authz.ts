import { get, nodeCommand, type Part, warnings } from '../part.ts'
import type { PortUse } from '../ports.ts'

/** What the authorizer is started with. */
export interface ExtAuthzOptions {
  readonly metrics: PortUse
  /** Folder of the workers' sockets. */
  readonly sockets: string
  readonly workers: number
  readonly settings: Readonly<Record<string, string>>
}

/** ext-authz with its workers; ready when every worker serves. */
export function extAuthzPart(options: ExtAuthzOptions): Part {
  const { metrics, workers } = options
  return {
    name: 'ext-authz',
    needs: [],
    ports: [metrics],
    command: () =>
      nodeCommand('ext-authz/main.ts', {
        SALLYPORT_RUN_DIR: options.sockets,
        SALLYPORT_WORKERS: workers,
        SALLYPORT_AUTHZ_METRICS_PORT: metrics.port,
        SALLYPORT_ENVIRONMENT: 'development',
        ...options.settings,
      }),
    probe: async (signal) => {
      const answer = await get(`http://${metrics.address}:${metrics.port}/ready`, signal)
      return answer?.status === 200 ? `${workers} worker${workers === 1 ? '' : 's'} on Unix sockets` : undefined
    },
    show: warnings,
  }
}

/** Socket of each worker, as ext-authz names them below its run folder. */
export function workerSockets(folder: string, workers: number): string[] {
  return Array.from({ length: workers }, (_, worker) => `${folder}/ext-authz-${worker}.sock`)
}
