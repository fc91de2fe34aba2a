import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { envoyBinary } from '../../../runtime/embedded/envoy-binary.ts'
import { CLUSTER, LISTENER, ROUTES, type Snapshot, type TypeUrl } from '../../../xds-server/snapshot.ts'
import { type Json, readable } from './readable.ts'

type Members = { readonly [key: string]: Json }

/** What `envoy --mode validate` says of a snapshot, as a static configuration; `change` may break it first. */
export async function validate(snapshot: Snapshot, change: (json: string) => string = (json) => json): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-validate-'))
  try {
    const file = join(folder, 'envoy.json')
    await writeFile(file, change(JSON.stringify(bootstrap(snapshot))))
    const envoy = await envoyBinary(() => undefined, process.env['ENVOY_BIN'])
    const run = promisify(execFile)(envoy, ['--mode', 'validate', '-c', file, '--log-level', 'error'])
    const { stdout, stderr } = await run.catch((failed: unknown) => outputOf(failed))
    return stdout + stderr
  } finally {
    await rm(folder, { recursive: true })
  }
}

function outputOf(failed: unknown): { stdout: string; stderr: string } {
  if (failed instanceof Error && 'stdout' in failed && 'stderr' in failed) {
    return { stdout: String(failed.stdout), stderr: String(failed.stderr) }
  }
  throw failed
}

/** Listeners get their routes inline, for Envoy checks no routes that a server would send (facts/envoy.md §10). */
function bootstrap(snapshot: Snapshot): Members {
  const xds = { envoy_grpc: { cluster_name: 'xds' } }
  return {
    node: { id: 'validation', cluster: 'sallyport' },
    dynamic_resources: { ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services: [xds] } },
    static_resources: {
      listeners: all(snapshot, LISTENER).map((listener) => inlined(listener, snapshot)),
      clusters: [...all(snapshot, CLUSTER), grpcCluster('xds'), grpcCluster('ext-authz')],
    },
  }
}

function all(snapshot: Snapshot, type: TypeUrl): Members[] {
  return [...(snapshot.resources.get(type)?.values() ?? [])].map(({ body }) => readable(body))
}

/** Replaces each `rds` by the route configuration that it names, wherever it stands. */
function inlined(value: Json, snapshot: Snapshot): Json {
  if (Array.isArray(value)) return value.map((item) => inlined(item, snapshot))
  if (!isMembers(value)) return value
  const { rds = null, ...rest } = value
  const copy = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, inlined(item, snapshot)]))
  return isMembers(rds) ? { ...copy, route_config: routesOf(snapshot, String(rds['route_config_name'])) } : copy
}

function routesOf(snapshot: Snapshot, name: string): Members {
  const named = snapshot.resources.get(ROUTES)?.get(name)
  if (named === undefined) throw new Error(`a listener names the routes ${name}, which the snapshot lacks`)
  return readable(named.body)
}

function isMembers(value: Json): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function grpcCluster(name: string): Members {
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
  const http2 = { '@type': `type.googleapis.com/${options}`, explicit_http_config: { http2_protocol_options: {} } }
  return { name, type: 'STATIC', connect_timeout: '1s', typed_extension_protocol_options: { [options]: http2 } }
}
