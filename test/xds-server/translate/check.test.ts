import { describe, expect, test } from 'vitest'
import { any } from '../../../protos/any.ts'
import type { Route } from '../../../protos/gen/envoy/config/route/v3/Route.ts'
import type { RouteConfiguration } from '../../../protos/gen/envoy/config/route/v3/RouteConfiguration.ts'
import type { Matcher } from '../../../protos/gen/xds/type/matcher/v3/Matcher.ts'
import type { Bucket } from '../../../xds-server/translate/buckets.ts'
import { checkRoutes, TranslationError } from '../../../xds-server/translate/check.ts'
import { checkedBy, unchecked } from '../../../xds-server/translate/filters/ext-authz.ts'
import { pathTree } from '../../../xds-server/translate/path-tree.ts'
import { shapeRoutes } from '../../../xds-server/translate/shape.ts'
import { gateway, route } from './compiled.ts'

type Leaf = NonNullable<NonNullable<NonNullable<Matcher['matcher_tree']>['prefix_match_map']>['map']>[string]

const CLUSTERS = new Set(['closed', 'shop/plant', 'shop/sandbox'])
const EXT_AUTHZ = 'envoy.filters.http.ext_authz'

/** The translated routes of a gateway with one split route, the first of which is changed. */
function changed(change: (first: Route, base: Route) => Partial<Route>): RouteConfiguration {
  return edited(([first, sandbox, base, ...rest]) => {
    if (first === undefined || sandbox === undefined || base === undefined)
      throw new Error('three routes were expected')
    return [{ ...first, ...change(first, base) }, sandbox, base, ...rest]
  })
}

/** The translated routes of a gateway with one split route, in the one list of a path tree. */
function edited(edit: (routes: readonly Route[]) => readonly Route[]): RouteConfiguration {
  const split = route('/tasks', { split: true })
  const made = shapeRoutes([{ gateway: gateway([split]), route: split }], 'https://e.test/')
  return inTree([{ prefix: '/', routes: edit(made) }])
}

function inTree(buckets: readonly Bucket[]): RouteConfiguration {
  return { name: 'public', virtual_hosts: [{ name: '*', domains: ['*'], matcher: pathTree(buckets) }] }
}

/** A list of one route about which ext_authz is told nothing. */
function unasked(name: string): Route[] {
  return [{ name, match: { prefix: '/' }, route: { cluster: 'shop/plant' } }]
}

function mistakes(configuration: RouteConfiguration): readonly string[] {
  try {
    checkRoutes(configuration, CLUSTERS)
    return []
  } catch (error) {
    if (error instanceof TranslationError) return error.mistakes
    throw error
  }
}

const withFilter = (key: string, value: ReturnType<typeof any>) =>
  changed((first) => ({ typed_per_filter_config: { ...first.typed_per_filter_config, [key]: value } }))

test('what the translator makes passes', () => {
  expect(mistakes(changed(() => ({})))).toEqual([])
})

describe('typed_per_filter_config, which Envoy accepts whatever it says', () => {
  test('a misspelt filter name is refused', () => {
    expect(mistakes(withFilter('envoy.filters.http.ext_auth', unchecked()))).toEqual([
      'public/*: shop/read /tasks: typed_per_filter_config names envoy.filters.http.ext_auth, which is no filter of ours',
    ])
  })

  test('a filter that takes no route configuration is refused', () => {
    const router = any('envoy.extensions.filters.http.router.v3.Router', {})
    expect(mistakes(withFilter('envoy.filters.http.router', router))).toEqual([
      'public/*: shop/read /tasks: envoy.filters.http.router cannot be configured on a route',
    ])
  })

  test('another filter’s message is refused', () => {
    expect(mistakes(withFilter('envoy.filters.http.cors', unchecked()))[0]).toContain('but the filter reads')
  })

  test('a virtual host may decide nothing', () => {
    const configuration = changed(() => ({}))
    const [host] = configuration.virtual_hosts ?? []
    const deciding = { ...host, typed_per_filter_config: { [EXT_AUTHZ]: unchecked() } }
    expect(mistakes({ ...configuration, virtual_hosts: [deciding] })[0]).toContain('a virtual host decides nothing')
  })
})

describe('authorization', () => {
  test('ext_authz switched off on a route to an upstream is refused', () => {
    expect(mistakes(withFilter(EXT_AUTHZ, unchecked()))[0]).toContain(
      'ext_authz is off on a route that reaches an upstream',
    )
  })

  test('a route without a word on ext_authz is refused', () => {
    expect(mistakes(changed(() => ({ typed_per_filter_config: {} })))[0]).toContain('no ext_authz configuration')
  })

  test('a policy that is empty is refused', () => {
    const empty = any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', {
      check_settings: { context_extensions: { 'sallyport.policy': '' } },
    })
    expect(mistakes(withFilter(EXT_AUTHZ, empty))[0]).toContain('ext_authz carries no sallyport.policy')
  })

  test('ext_authz disabled by false is no policy', () => {
    const neither = any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', { disabled: false })
    expect(mistakes(withFilter(EXT_AUTHZ, neither))[0]).toContain('ext_authz is off')
  })
})

describe('nothing hides in a path tree', () => {
  const made = inTree([
    { prefix: '/', routes: [] },
    { prefix: '/a/', routes: unasked('one') },
    { prefix: '/a/b', routes: [...unasked('one'), ...unasked('two')] },
  ])

  test('every list is looked at, and a route in two of them is named once', () => {
    expect(mistakes(made)).toEqual([
      'public/*: one: no ext_authz configuration: every route says its policy, or that it has none',
      'public/*: two: no ext_authz configuration: every route says its policy, or that it has none',
    ])
  })

  test('a plain list beside the tree is looked at too', () => {
    const [host] = inTree([]).virtual_hosts ?? []
    expect(mistakes({ name: 'public', virtual_hosts: [{ ...host, routes: unasked('plain') }] })).toHaveLength(1)
  })

  const leaf = { action: { name: 'routes', typed_config: any('envoy.config.route.v3.RouteList', {}) } }
  const packedRoute = { action: { name: 'route', typed_config: any('envoy.config.route.v3.Route', { name: 'alone' }) } }
  const tree = (map: Record<string, Leaf>): Matcher => ({ matcher_tree: { prefix_match_map: { map } } })
  test.each<[string, Matcher, string]>([
    ['a fallback', { ...tree({ '/': leaf }), on_no_match: leaf }, 'its matcher has on_no_match, which'],
    ['a list of predicates', { matcher_list: { matchers: [] } }, 'its matcher has matcher_list, which'],
    ['an exact map', { matcher_tree: { exact_match_map: { map: {} } } }, 'its matcher has exact_match_map, which'],
    ['a tree below the tree', tree({ '/a': { matcher: tree({ '/a': leaf }) } }), '/a leads to no plain list'],
    ['a route by itself', tree({ '/a': packedRoute }), '/a leads to no plain list'],
    ['a match that goes on', tree({ '/a': { ...leaf, keep_matching: true } }), '/a leads to no plain list'],
  ])('%s is refused', (_, matcher, message) => {
    const found = mistakes({ name: 'public', virtual_hosts: [{ name: '*', domains: ['*'], matcher }] })
    expect(found).toEqual([expect.stringContaining(`public/*: ${message}`)])
  })
})

describe('AZ-4 variants of a split target', () => {
  test('a variant with another policy than its base is refused', () => {
    const weaker = checkedBy({ ...route('/tasks', { split: true }).policy, addresses: [['0.0.0.0/0']] })
    expect(mistakes(withFilter(EXT_AUTHZ, weaker))).toEqual([
      'public/*: shop/read /tasks: its variants carry different policies',
    ])
  })

  test('a base route that is open is refused', () => {
    const configuration = edited((routes) =>
      routes.map((each, index) => (index === 2 ? { ...each, route: { cluster: 'shop/plant' } } : each)),
    )
    expect(mistakes(configuration)).toContain(
      'public/*: shop/read /tasks: the base route of a split target must be closed',
    )
  })

  test('a variant without a base is refused', () => {
    expect(mistakes(changed((first) => ({ name: `${first.name} too` })))[0]).toContain('without a base route')
  })
})

test('a route to a cluster that the snapshot lacks is refused', () => {
  expect(mistakes(changed((first) => ({ route: { ...first.route, cluster: 'shop/gone' } })))).toEqual([
    'public/*: shop/read /tasks: routes to shop/gone, which is no cluster of this snapshot',
  ])
})
