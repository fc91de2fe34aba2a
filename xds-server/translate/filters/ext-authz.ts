import { AUDITED_HEADERS, CHECKED_HEADERS, EDGE, EXT_AUTHZ_CLUSTER, TARGET_HEADER } from '../../../envoy/edge.ts'
import { POLICY_KEY, policyText, type RoutePolicy } from '../../../policies/policy.ts'
import { type AnyMessage, any } from '../../../protos/any.ts'
import { duration } from '../values.ts'
import type { EdgeFilter } from './filter.ts'

const oneTry = duration(EDGE.authorizationTryMs)

/** Asks ext-authz about every request; each value is one that facts/envoy.md §5 tried. */
export const extAuthz: EdgeFilter = {
  name: 'envoy.filters.http.ext_authz',
  config: ({ auditedHeaders }) =>
    any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', {
      grpc_service: {
        // Nobody there reads x-envoy-internal and x-forwarded-for.
        envoy_grpc: { cluster_name: EXT_AUTHZ_CLUSTER, skip_envoy_headers: true },
        timeout: duration(EDGE.authorizationMs),
        // Only the time of each try, as which Envoy takes the longest back-off. The rest is the cluster's policy (envoy/bootstrap.yaml),
        // whose own `per_try_timeout` Checks do not heed (tried with 1.40).
        retry_policy: { retry_back_off: { base_interval: oneTry, max_interval: oneTry } },
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
      // That bodies come as bytes only counts when said here (tried with 1.40); routes say whether one comes, and how much of it.
      with_request_body: bodyUpTo(1),
      // A list for all routes: what only one of them records, ext-authz sees in the Checks of all.
      allowed_headers: { patterns: checkedHeaders(auditedHeaders).map((exact) => ({ exact })) },
    }),
  perRoute: 'envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute',
}

/** The route's complete policy, which every Check carries (design.md §1.2). */
export function checkedBy(policy: RoutePolicy): AnyMessage {
  return any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', {
    check_settings: {
      context_extensions: { [POLICY_KEY]: policyText(policy) },
      ...(policy.audit.body === undefined
        ? { disable_request_body_buffering: true }
        : { with_request_body: bodyUpTo(policy.audit.body.maxBytes) }),
    },
  })
}

function checkedHeaders(audited: readonly string[]): string[] {
  return [...new Set([...CHECKED_HEADERS, ...AUDITED_HEADERS, ...audited])]
}

/** A longer body is cut, not refused: how long it may be is the business of filters/body-size.ts. */
function bodyUpTo(bytes: number) {
  // As bytes: text in a Check must be UTF-8, and a body need not be.
  return { max_request_bytes: bytes, allow_partial_message: true, pack_as_bytes: true }
}

/** For answers that belong to nobody's definition: 405, a preflight, the redirect to HTTPS. `check.ts` refuses it elsewhere. */
export function unchecked(): AnyMessage {
  return any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', { disabled: true })
}
