import { get, nodeCommand, type Part } from '../part.ts'
import type { PortUse } from '../ports.ts'

/** A sample upstream of that name: production or sandbox. */
export function upstreamPart(name: string, at: PortUse, settings: Readonly<Record<string, string>>): Part {
  const url = `http://${at.address}:${at.port}`
  return {
    name,
    needs: [],
    ports: [at],
    command: () =>
      nodeCommand('runtime/embedded/upstream/upstream-main.ts', {
        SALLYPORT_UPSTREAM_NAME: name,
        SALLYPORT_UPSTREAM_PORT: at.port,
        ...settings,
      }),
    probe: async (signal) => ((await get(`${url}/health`, signal))?.status === 200 ? url : undefined),
  }
}
