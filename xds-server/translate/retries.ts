import { UPSTREAM } from '../../envoy/edge.ts'
import type { CompiledRoute } from '../../policies/compile.ts'
import { any } from '../../protos/any.ts'
import type { RetryPolicy } from '../../protos/gen/envoy/config/route/v3/RetryPolicy.ts'
import { duration, wrapped } from './values.ts'

/** A route's retries; none where the definition says `attempts: 0`. */
export function retryPolicy({ retries }: CompiledRoute): RetryPolicy | undefined {
  if (retries.attempts === 0 || retries.on.length === 0) return undefined
  return {
    retry_on: retries.on.join(','),
    num_retries: wrapped(retries.attempts),
    ...(retries.perTryTimeoutMs !== undefined && { per_try_timeout: duration(retries.perTryTimeoutMs) }),
    retry_back_off: {
      base_interval: duration(UPSTREAM.retryBackOff.baseMs),
      max_interval: duration(UPSTREAM.retryBackOff.maxMs),
    },
    // A retry draws another host than those that already failed.
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: any('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {}),
      },
    ],
    host_selection_retry_max_attempts: String(UPSTREAM.hostSelectionAttempts),
  }
}
