import { bodySize } from './body-size.ts'
import { cors } from './cors.ts'
import { extAuthz } from './ext-authz.ts'
import type { EdgeFilter } from './filter.ts'
import { causationId, correlationId } from './ids.ts'
import { requestTrailers } from './request-trailers.ts'
import { responseHeaders } from './response-headers.ts'
import { router } from './router.ts'

/**
 * Every HTTP filter, in the order in which a request meets them; answers meet them in reverse. Nothing else may be configured on a
 * route: `check.ts` holds each `typed_per_filter_config` key against this list.
 */
export const FILTERS: readonly EdgeFilter[] = [
  responseHeaders, // first, so last on the way back: it sees every answer, whoever made it
  correlationId, // before anything that may answer, so that each answer and each Check carries an id that was looked at
  causationId, // as above
  requestTrailers, // before anything forwards them
  cors, // before ext_authz: a preflight carries no token (RT-4), and refusals need the CORS headers for the page to read them
  bodySize, // before ext_authz: a declared length over the limit costs no Check
  extAuthz, // last before the router: nothing may change the request between the decision and the upstream
  router, // ends every chain
]
