import { any, typeUrl, unpack } from '../../protos/any.ts'
import type { Route, Route__Output } from '../../protos/gen/envoy/config/route/v3/Route.ts'
import type { VirtualHost } from '../../protos/gen/envoy/config/route/v3/VirtualHost.ts'
import type { Matcher } from '../../protos/gen/xds/type/matcher/v3/Matcher.ts'
import type { Bucket } from './buckets.ts'
import { packedOf } from './packed.ts'

const ROUTE_LIST = 'envoy.config.route.v3.RouteList'
const HEADER = 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput'

/**
 * Buckets as Envoy looks them up: by the longest prefix of `:path`, whatever their number. That header holds the normalised path with
 * its query, which no prefix reaches, for none holds a `?`.
 */
export function pathTree(buckets: readonly Bucket[]): Matcher {
  const lists = buckets.map(({ prefix, routes }) => {
    const action = { name: 'routes', typed_config: any(ROUTE_LIST, { routes: [...routes] }) }
    return [prefix, { action }] as const
  })
  return {
    matcher_tree: {
      input: { name: 'path', typed_config: any(HEADER, { header_name: ':path' }) },
      prefix_match_map: { map: Object.fromEntries(lists) },
    },
  }
}

/** A route as it was made, or as it is read back from the bytes of a path tree. */
export type MadeOrRead = Route | Route__Output

/** All that a virtual host routes by. */
export interface RouteLists {
  /** Each list that Envoy may walk. */
  readonly lists: readonly (readonly MadeOrRead[])[]
  /** What the virtual host holds besides lists that {@link pathTree} makes: routes could hide there. */
  readonly mistakes: readonly string[]
}

/** Every route of a virtual host, from its plain list and from the bytes of its path tree. */
export function routeLists({ routes, matcher }: VirtualHost): RouteLists {
  const plain = routes === undefined ? [] : [routes]
  if (matcher === undefined || matcher === null) return { lists: plain, mistakes: [] }
  const { matcher_tree: tree, ...others } = matcher
  const { input: _, prefix_match_map: prefixes, ...maps } = tree ?? {}
  const leaves = Object.entries(prefixes?.map ?? {}).map(([prefix, leaf]) => ({ prefix, list: listOf(leaf) }))
  return {
    lists: [...plain, ...leaves.flatMap(({ list }) => (list === undefined ? [] : [list]))],
    mistakes: [
      ...[...Object.keys(others), ...Object.keys(maps)].map((key) => `its matcher has ${key}, which nothing reads`),
      ...leaves.flatMap(({ prefix, list }) =>
        list === undefined ? [`${prefix} leads to no plain list of routes`] : [],
      ),
    ],
  }
}

type Leaf = NonNullable<NonNullable<NonNullable<Matcher['matcher_tree']>['prefix_match_map']>['map']>[string]

function listOf({ action, ...others }: Leaf): readonly MadeOrRead[] | undefined {
  const packed = packedOf(action?.typed_config)
  if (Object.keys(others).length > 0 || packed?.type_url !== typeUrl(ROUTE_LIST)) return undefined
  return unpack(ROUTE_LIST, packed).routes ?? []
}
