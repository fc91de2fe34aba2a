import { CHECKED_HEADERS, EDGE, EXT_AUTHZ_CLUSTER, TARGET_HEADER } from '../../../envoy/edge.ts'
import { POLICY_KEY, policyText, type RoutePolicy } from '../../../policies/policy.ts'
import { type AnyMessage, any } from '../../../protos/any.ts'
import { previousHosts } from '../retries.ts'
import { duration, wrapped } from '../values.ts'
import type { EdgeFilter } from './filter.ts'

/** Asks ext-authz about every request; each value is one that facts/envoy.md §5 tried. */
export const extAuthz: EdgeFilter = {
  name: 'envoy.filters.http.ext_authz',
  config: () =>
    any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', {
      grpc_service: {
        envoy_grpc: { cluster_name: EXT_AUTHZ_CLUSTER },
        timeout: duration(EDGE.authorizationMs),
        retry_policy: {
          num_retries: wrapped(EDGE.authorizationRetries),
          retry_on: 'connect-failure,refused-stream,unavailable,reset,reset-before-request',
          retry_back_off: {
            base_interval: duration(EDGE.authorizationBackOff.baseMs),
            max_interval: duration(EDGE.authorizationBackOff.maxMs),
          },
          ...previousHosts(),
        },
      },
      transport_api_version: 'V3',
      failure_mode_allow: false,
      // An outage is 503; Envoy's default, 403, would look like a refusal.
      status_on_error: { code: 'ServiceUnavailable' },
      // Joined and cleaned values hide what was sent; ext-authz reads the raw list.
      encode_raw_headers: true,
      validate_mutations: true,
      // Both: the list alone does nothing (tried), and without it every answer would choose the route anew.
      clear_route_cache: true,
      clear_route_cache_headers: [TARGET_HEADER],
      allowed_headers: { patterns: CHECKED_HEADERS.map((exact) => ({ exact })) },
    }),
  perRoute: 'envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute',
}

/** The route's complete policy, which every Check carries (design.md §1.2). */
export function checkedBy(policy: RoutePolicy): AnyMessage {
  return any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', {
    check_settings: { context_extensions: { [POLICY_KEY]: policyText(policy) } },
  })
}

/** For answers that belong to nobody's definition: 405, a preflight, the redirect to HTTPS. `check.ts` refuses it elsewhere. */
export function unchecked(): AnyMessage {
  return any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', { disabled: true })
}
