import type { Identity } from '../identity/identity.ts'
import type { LivePolicy } from '../live-policy.ts'
import { type Deny, deny } from '../verdict.ts'

/** TR-3: a trial that has ended opens nothing. */
export function withinTrial(identity: Identity, { policy }: LivePolicy, now: number): Deny | undefined {
  if (!identity.trial || identity.trialExpiresAt === undefined || now < identity.trialExpiresAt) return undefined
  return deny('trial-expired', undefined, {
    trial_expires_at: new Date(identity.trialExpiresAt).toISOString(),
    upgrade_url: policy.upgradeUrl,
  })
}
