import type { CompiledRoute } from '../../policies/compile.ts'

/** Of a gateway's upstream. The slash keeps it apart from the bootstrap's clusters and from {@link CLOSED_CLUSTER}. */
export function clusterName(gateway: string, upstream: string): string {
  return `${gateway}/${upstream}`
}

/**
 * A cluster without hosts: whatever is routed there is 503. The base route of a split target uses it, so that a request for which
 * ext-authz chose no target ends here and not in production (AZ-4); a direct response would switch CORS off (tried with 1.40).
 */
export const CLOSED_CLUSTER = 'closed'

/** How a definition's route is called in Envoy's logs and statistics; all its variants share it. */
export function routeName(gateway: string, route: Pick<CompiledRoute, 'name'>): string {
  return `${gateway}/${route.name}`
}
