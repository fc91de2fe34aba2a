import type { CompiledCors } from '../../../policies/compile.ts'
import { type AnyMessage, any } from '../../../protos/any.ts'
import { wrapped } from '../values.ts'
import type { EdgeFilter } from './filter.ts'

/** Answers preflights and marks answers for the origins that a gateway lists (RT-4). Does nothing on routes without a policy. */
export const cors: EdgeFilter = {
  name: 'envoy.filters.http.cors',
  config: () => any('envoy.extensions.filters.http.cors.v3.Cors', {}),
  perRoute: 'envoy.extensions.filters.http.cors.v3.CorsPolicy',
}

/** A gateway's rules as the filter's policy on a route. */
export function corsPolicy(rules: CompiledCors): AnyMessage {
  return any('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
    allow_origin_string_match: rules.origins.map((origin) => ({ exact: origin })),
    allow_methods: rules.methods.join(', '),
    allow_headers: rules.headers.join(', '),
    ...(rules.exposeHeaders.length > 0 && { expose_headers: rules.exposeHeaders.join(', ') }),
    max_age: String(rules.maxAgeSeconds),
    allow_credentials: wrapped(rules.credentials),
    // A preflight from elsewhere is answered here too, without the headers that would let the page go on.
    forward_not_matching_preflights: wrapped(false),
  })
}
