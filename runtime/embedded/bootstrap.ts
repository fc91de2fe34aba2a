import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { CHECKOUT } from './checkout.ts'

/** What one Envoy's bootstrap says about its surroundings. */
export interface BootstrapValues {
  /** Unique per running Envoy: the control plane and the log tell Envoys apart by it. */
  readonly nodeId: string
  /** The group that gets the same configuration. */
  readonly nodeCluster: string
  /** Loopback port of the admin interface; it can stop Envoy, so it is nobody else's. */
  readonly adminPort: number
  /** IP literal of the control plane. */
  readonly xdsAddress: string
  readonly xdsPort: number
  /** Unix socket of each ext-authz worker. */
  readonly extAuthzSockets: readonly string[]
  /** Bytes of heap at which the overload manager calls Envoy full. Default 1 GiB. */
  readonly maxHeapBytes?: number
  /** Downstream connections over all listeners; more are refused. Default 50,000. */
  readonly maxConnections?: number
}

/** `envoy/bootstrap.yaml` with these values in place, as JSON text, which Envoy reads from a `.json` file. */
export async function renderBootstrap(values: BootstrapValues): Promise<string> {
  const { extAuthzSockets, ...scalars } = values
  const file = join(CHECKOUT, 'envoy/bootstrap.yaml')
  const template: unknown = parse(await readFile(file, 'utf8'))
  const given: ReadonlyMap<string, unknown> = new Map(
    Object.entries({
      maxHeapBytes: 1_073_741_824,
      maxConnections: 50_000,
      ...scalars,
      extAuthzEndpoints: extAuthzSockets.map((path) => ({ endpoint: { address: { pipe: { path } } } })),
    }),
  )
  return `${JSON.stringify(fill(template, given, file), undefined, 2)}\n`
}

/** Replaces whole scalars of the parsed tree, never text: a value cannot change the structure around it. */
function fill(node: unknown, given: ReadonlyMap<string, unknown>, file: string): unknown {
  if (Array.isArray(node)) return node.map((entry) => fill(entry, given, file))
  if (typeof node === 'object' && node !== null) {
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, fill(value, given, file)]))
  }
  const name = typeof node === 'string' ? /^\$\{(\w+)\}$/.exec(node)?.[1] : undefined
  if (name === undefined) return node
  if (!given.has(name)) throw new Error(`${file}: \${${name}} has no value; known are ${[...given.keys()].join(', ')}`)
  return given.get(name)
}
