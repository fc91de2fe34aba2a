import { any } from '../../../protos/any.ts'
import { removeMatching } from '../headers.ts'
import type { EdgeFilter } from './filter.ts'

/** Removes every request trailer: they arrive after the decision, under names that an upstream may take for headers. */
export const requestTrailers: EdgeFilter = {
  name: 'sallyport.request_trailers',
  config: () =>
    any('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
      mutations: {
        request_trailers_mutations: [removeMatching('.*')],
      },
    }),
}
