import { encode } from '../../../protos/xds.ts'
import {
  CLUSTER,
  ENDPOINTS,
  LISTENER,
  type Resource,
  ROUTES,
  resource,
  SECRET,
  type Snapshot,
  snapshot,
  type TypeUrl,
} from '../../../xds-server/snapshot.ts'

/** A resource whose bytes are its name and a text: what the stream does with it depends on nothing else that is inside. */
function plain(type: TypeUrl, name: string, content: string, needs: readonly string[] = []): Resource {
  const origin = `${name}.ts:7`
  const value = Buffer.concat([encode('envoy.config.cluster.v3.Cluster', { name }), Buffer.from(content)])
  return resource(name, { type_url: type, value }, { origin, needs })
}

export const cluster = (name: string, content = '1') => plain(CLUSTER, name, content)
export const endpoints = (name: string, content = '1') => plain(ENDPOINTS, name, content)
export const secret = (name: string, content = '1') => plain(SECRET, name, content)
export const listener = (name: string, content = '1') => plain(LISTENER, name, content)

/** A route configuration that needs these clusters. */
export const routes = (name: string, needs: readonly string[], content = '1') =>
  plain(ROUTES, name, `${content} ${needs.join(' ')}`, needs)

/** A listener `edge`, its routes to all of these clusters, and the clusters with their endpoints. */
export function edge(clusters: Readonly<Record<string, string>>, more: readonly Resource[] = []): Snapshot {
  const names = Object.keys(clusters)
  return snapshot([
    ...Object.entries(clusters).flatMap(([name, content]) => [cluster(name, content), endpoints(name)]),
    listener('edge'),
    routes('edge', names),
    ...more,
  ])
}
