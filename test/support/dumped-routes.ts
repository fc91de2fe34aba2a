/** A message as `/config_dump` writes it. */
export type Members = Record<string, unknown>

/** Type guard: a message, not a list or a scalar. */
export function isRecord(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Every route of a dump, wherever in lists or matcher trees it stands. */
export function routesIn(value: unknown): Members[] {
  if (Array.isArray(value)) return value.flatMap(routesIn)
  if (!isRecord(value)) return []
  const isRoute = 'match' in value && ['route', 'direct_response', 'redirect'].some((action) => action in value)
  return [...(isRoute ? [value] : []), ...Object.values(value).flatMap(routesIn)]
}

/** What a dumped route says to ext_authz; empty where it says nothing. */
export function authorization(route: Members): Members {
  const config = route['typed_per_filter_config']
  const own = isRecord(config) ? config['envoy.filters.http.ext_authz'] : undefined
  return isRecord(own) ? own : {}
}
