import {
  DEFAULT_SECURITY_HEADERS,
  FIXED_SECURITY_HEADERS,
  HSTS,
  TELLING_RESPONSE_HEADERS,
} from '../../../envoy/edge.ts'
import { any } from '../../../protos/any.ts'
import type { HeaderMutation } from '../../../protos/gen/envoy/config/common/mutation_rules/v3/HeaderMutation.ts'
import { append, remove, removePrefix, setHeader, setIfAbsent } from '../headers.ts'
import type { EdgeFilter } from './filter.ts'

/** Ids and security headers on every answer, Envoy's own included; nothing that tells what runs here (RT-6, RT-8). */
export const responseHeaders: EdgeFilter = {
  name: 'sallyport.response_headers',
  config: ({ tls }) =>
    any('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
      mutations: { response_mutations: [...IDS, ...security(), ...(tls ? [HSTS_HEADER] : []), ...TELLING] },
    }),
}

const IDS: readonly HeaderMutation[] = [
  append(setIfAbsent('x-correlation-id', '%REQ(x-correlation-id)%')),
  // What the HTTP codec refuses has no request headers to take an id from.
  append(setIfAbsent('x-correlation-id', '%UNIQUE_ID%')),
  append(setIfAbsent('x-causation-id', '%REQ(x-causation-id)%')),
]

const HSTS_HEADER = append(setHeader('strict-transport-security', HSTS))

const TELLING: readonly HeaderMutation[] = [...TELLING_RESPONSE_HEADERS.map(remove), removePrefix('x-envoy-')]

function security(): HeaderMutation[] {
  return [
    ...Object.entries(FIXED_SECURITY_HEADERS).map(([name, value]) => append(setHeader(name, value))),
    ...Object.entries(DEFAULT_SECURITY_HEADERS).map(([name, value]) => append(setIfAbsent(name, value))),
  ]
}
