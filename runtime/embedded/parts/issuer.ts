import { get, nodeCommand, type Part, warnings } from '../part.ts'
import type { PortUse } from '../ports.ts'

/** The development OIDC issuer; `keyFile` keeps its signing keys between runs. */
export function issuerPart(at: PortUse, keyFile: string, settings: Readonly<Record<string, string>>): Part {
  const url = `http://${at.address}:${at.port}`
  return {
    name: 'issuer',
    needs: [],
    ports: [at],
    command: () =>
      nodeCommand('runtime/embedded/issuer/issuer-main.ts', {
        SALLYPORT_ISSUER_PORT: at.port,
        SALLYPORT_ISSUER_KEYS: keyFile,
        ...settings,
      }),
    probe: async (signal) => ((await get(`${url}/health`, signal))?.status === 200 ? url : undefined),
    show: (line) => (line.startsWith('{') ? warnings(line) : undefined),
  }
}
