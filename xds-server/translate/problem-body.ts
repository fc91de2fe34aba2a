import { PROBLEMS, type Slug } from '../../policies/problems.ts'
import type { SubstitutionFormatString } from '../../protos/gen/envoy/config/core/v3/SubstitutionFormatString.ts'
import { struct } from './values.ts'

/** Where Envoy finds the two ids of a problem document. */
export interface IdSources {
  /** Completes `urn:uuid:`. */
  readonly instance: string
  readonly correlation: string
}

/** The ids of a request whose headers Envoy has read: its own request id, and the correlation id that was kept or made. */
export const REQUEST_IDS: IdSources = { instance: '%STREAM_ID%', correlation: '%REQ(x-correlation-id)%' }

/**
 * RFC 9457 document of a problem as Envoy writes it (RT-7). Fixed words only: Envoy's own details name hosts, TLS errors and
 * filters. The status is a number because `%RESPONSE_CODE%` is 0 in the body of a direct response (tried with 1.40).
 */
export function problemBody(slug: Slug, base: string, ids: IdSources = REQUEST_IDS): SubstitutionFormatString {
  const { status, title, detail } = PROBLEMS[slug]
  return {
    content_type: 'application/problem+json',
    json_format: struct({
      type: `${base}${slug}`,
      title,
      status,
      detail,
      instance: `urn:uuid:${ids.instance}`,
      correlation_id: ids.correlation,
    }),
  }
}
