import { type BootstrapValues, renderBootstrap } from '../bootstrap.ts'
import { endEnvoyLog } from '../envoy-log.ts'
import { environmentFor, get, type Part } from '../part.ts'
import type { PortUse } from '../ports.ts'
import { replaceFile } from '../replace-file.ts'

/** What Envoy is started with. */
export interface EnvoyOptions {
  /** Path of the binary. */
  readonly binary: string
  /** File that its bootstrap is written to before each start. */
  readonly bootstrapFile: string
  readonly bootstrap: BootstrapValues
  /** Absolute path of the access log that the control plane has it write; absent: it writes none. */
  readonly accessLog?: string
  /** Worker threads. */
  readonly concurrency: number
  readonly admin: PortUse
  /** Ports that its listeners will take; the first is the one to show. */
  readonly listeners: readonly PortUse[]
  /** Parts it must not start before. */
  readonly needs: readonly string[]
}

/** Access log: written at once, and at the latest after 100 ms, so that a killed Envoy leaves every answer it gave in the log. */
export const LOG_FLUSH: readonly string[] = ['--file-flush-interval-msec', '100', '--file-flush-min-size-kb', '0']

/** Envoy; ready when it has listeners, clusters and routes from the control plane. */
export function envoyPart(options: EnvoyOptions): Part {
  const { admin, listeners } = options
  const threads = ['--concurrency', String(options.concurrency)]
  return {
    name: 'envoy',
    needs: options.needs,
    ports: [admin, ...listeners],
    command: async () => {
      // Its predecessor is gone: the supervisor asks for a command only when no process of the part is left.
      if (options.accessLog !== undefined) await endEnvoyLog(options.accessLog, Date.now)
      await replaceFile(options.bootstrapFile, await renderBootstrap(options.bootstrap))
      const args = [
        '-c',
        options.bootstrapFile,
        ...threads,
        '--disable-hot-restart',
        '--log-level',
        'warning',
        ...LOG_FLUSH,
      ]
      return { file: options.binary, args, env: environmentFor({}) }
    },
    probe: async (signal) => {
      const answer = await get(`http://${admin.address}:${admin.port}/ready`, signal)
      const shown = listeners.map((at) => `${at.address}:${at.port}`).join(', ')
      return answer?.status === 200 ? shown : undefined
    },
    show: (line) => (/\]\[(error|critical)\]/.test(line) ? line : undefined),
  }
}
