import {
  FORWARDED_PREFIX,
  IDENTITY_HEADERS,
  IDENTITY_PREFIXES,
  ODD_NAME_PATTERN,
  ORIGIN_HEADERS,
  ORIGIN_PREFIXES,
  OVERRIDE_HEADERS,
} from '../../envoy/edge.ts'
import { any } from '../../protos/any.ts'
import type { HeaderMutation } from '../../protos/gen/envoy/config/common/mutation_rules/v3/HeaderMutation.ts'
import { append, remove, removeMatching, removePrefix, setHeader, setIfAbsent } from './headers.ts'

/**
 * What happens to a request's headers before anything reads them, Envoy itself included: no route, filter, log or id generator sees
 * what is removed here (ID-7, AZ-4). Order matters: the client's `X-Request-ID` moves to `X-Causation-ID` before it goes (RT-8).
 */
export function earlyHeaders(trustedHops: number) {
  return {
    name: 'envoy.http.early_header_mutation.header_mutation',
    typed_config: any('envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', {
      mutations: [...removals(trustedHops), ...IDS],
    }),
  }
}

function removals(trustedHops: number): HeaderMutation[] {
  // With proxies in front, Envoy counts from the right end of x-forwarded-for and trusts only what they added (ID-13).
  const prefixes = [...IDENTITY_PREFIXES, ...ORIGIN_PREFIXES, ...(trustedHops === 0 ? [FORWARDED_PREFIX] : [])]
  // Each removal costs every request; a name that a prefix covers needs none of its own.
  const names = [...IDENTITY_HEADERS, ...OVERRIDE_HEADERS, ...ORIGIN_HEADERS].filter(
    (name) => !prefixes.some((prefix) => name.startsWith(prefix)),
  )
  return [...names.map(remove), ...prefixes.map(removePrefix), removeMatching(ODD_NAME_PATTERN)]
}

const IDS: readonly HeaderMutation[] = [
  remove('x-causation-id'),
  append(setHeader('x-causation-id', '%REQ(x-request-id)%')),
  // Gone, so that Envoy makes its own: the key that joins a decision with its completion must be one that no client can choose.
  remove('x-request-id'),
  append(setIfAbsent('x-correlation-id', '%UNIQUE_ID%')),
]
