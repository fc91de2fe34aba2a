import { get, nodeCommand, type Part, warnings } from '../part.ts'
import type { PortUse } from '../ports.ts'

/** A third less memory after many edits: Node 24 doubles its young generation by default (style.md §4). */
const NODE_FLAGS = ['--max-semi-space-size=4']

/** What the control plane is started with. */
export interface XdsServerOptions {
  readonly xds: PortUse
  readonly status: PortUse
  /** Folder of gateway definitions. */
  readonly definitions: string
  /** JSON file of addresses that this deployment substitutes. */
  readonly bindings: string
  readonly settings: Readonly<Record<string, string>>
}

/** The control plane. Definitions with a mistake keep it waiting, not failing: it says what to mend and goes on watching. */
export function xdsServerPart(options: XdsServerOptions): Part {
  const { xds, status } = options
  return {
    name: 'xds-server',
    needs: [],
    ports: [xds, status],
    waitsForPeople: true,
    command: () =>
      nodeCommand(
        'xds-server/main.ts',
        {
          SALLYPORT_DEFINITIONS: options.definitions,
          SALLYPORT_BINDINGS: options.bindings,
          SALLYPORT_XDS_ADDRESS: xds.address,
          SALLYPORT_XDS_PORT: xds.port,
          SALLYPORT_STATUS_PORT: status.port,
          ...options.settings,
        },
        NODE_FLAGS,
      ),
    probe: async (signal) => {
      const answer = await get(`http://${status.address}:${status.port}/ready`, signal)
      return answer?.status === 200 ? `${xds.address}:${xds.port} (status ${status.address}:${status.port})` : undefined
    },
    show: (line) => warnings(line) ?? live(line),
  }
}

/** The line that says an edit is in force: it answers the ones that said why not. */
function live(line: string): string | undefined {
  return /"msg":"(live: [^"]*)"/.exec(line)?.[1]
}
