import { EDGE } from '../../../envoy/edge.ts'
import { any } from '../../../protos/any.ts'
import { wrapped } from '../values.ts'
import type { EdgeFilter } from './filter.ts'

/** Larger bodies are 413, by `Content-Length` before anything is asked, else when the limit is passed; nothing is buffered (RT-5). */
export const bodySize: EdgeFilter = {
  name: 'envoy.filters.http.body_size_limit',
  config: () =>
    any('envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit', {
      max_request_bytes: wrapped(String(EDGE.maxBodyBytes)),
    }),
}
