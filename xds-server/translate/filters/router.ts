import { any } from '../../../protos/any.ts'
import type { EdgeFilter } from './filter.ts'

/** Sends the request to its upstream, adding no `x-envoy-*` headers on the way or back. */
export const router: EdgeFilter = {
  name: 'envoy.filters.http.router',
  config: () => any('envoy.extensions.filters.http.router.v3.Router', { suppress_envoy_headers: true }),
}
