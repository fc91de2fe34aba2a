import { ID_PATTERN } from '../../../envoy/edge.ts'
import { any } from '../../../protos/any.ts'
import type { HeaderMutation } from '../../../protos/gen/envoy/config/common/mutation_rules/v3/HeaderMutation.ts'
import { append, remove, setHeader } from '../headers.ts'
import type { EdgeFilter } from './filter.ts'

/** A correlation id that is no id is replaced by the request's own (RT-8). Two values count as one bad one. */
export const correlationId: EdgeFilter = {
  name: 'sallyport.correlation_id',
  config: () => unlessValid('x-correlation-id', append(setHeader('x-correlation-id', '%STREAM_ID%'))),
}

/** A causation id (the client's `X-Request-ID`) that is no id is dropped (RT-8). */
export const causationId: EdgeFilter = {
  name: 'sallyport.causation_id',
  config: () => unlessValid('x-causation-id', remove('x-causation-id')),
}

/** Mutates the request unless the header matches {@link ID_PATTERN}: early header mutation cannot look at values. */
function unlessValid(header: string, mutation: HeaderMutation) {
  return any('envoy.extensions.common.matching.v3.ExtensionWithMatcher', {
    extension_config: {
      name: 'header_mutation',
      typed_config: any('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
        mutations: { request_mutations: [mutation] },
      }),
    },
    xds_matcher: { matcher_list: { matchers: [skipWhenValid(header)] } },
  })
}

function skipWhenValid(header: string) {
  return {
    predicate: {
      single_predicate: {
        input: {
          name: 'header',
          typed_config: any('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: header }),
        },
        // Envoy 1.40 refuses this matcher without its empty engine.
        value_match: { safe_regex: { google_re2: {}, regex: ID_PATTERN } },
      },
    },
    on_match: {
      action: {
        name: 'skip',
        typed_config: any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter', {}),
      },
    },
  }
}
