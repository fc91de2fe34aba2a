import type { Identity } from './identity/identity.ts'
import type { LivePolicy } from './live-policy.ts'
import { type Finding, SKIPPED, type TargetName } from './verdict.ts'

/**
 * AZ-4: trial users work in the sandbox, everybody else in production. An open route that splits has no caller to ask:
 * it chooses nothing, and Envoy's base route answers 503.
 */
export function targetOf(identity: Identity | undefined, { policy }: LivePolicy): TargetName | undefined {
  if (!policy.split || identity === undefined) return undefined
  return identity.trial ? 'sandbox' : 'production'
}

/** Which target was chosen and why, for the record. */
export function targetFinding(target: TargetName | undefined): Finding {
  if (target === undefined) return SKIPPED
  const because = target === 'sandbox' ? 'the caller is on trial' : 'the caller is not on trial'
  return { kind: 'pass', facts: { target, because } }
}
