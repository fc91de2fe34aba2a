import { instantText } from '../audit/text.ts'
import type { Identity } from '../identity/identity.ts'
import type { LivePolicy } from '../live-policy.ts'
import { because, deny, type Finding } from '../verdict.ts'

/** TR-3: a trial that has ended opens nothing. */
export function withinTrial(identity: Identity, { policy }: LivePolicy, now: number): Finding {
  const { trial, trialExpiresAt } = identity
  if (!trial) return { kind: 'pass', facts: { trial } }
  if (trialExpiresAt === undefined) return { kind: 'pass', facts: { trial, ends: null } }
  const ends = instantText(trialExpiresAt)
  if (now < trialExpiresAt) return { kind: 'pass', facts: { trial, ends } }
  const refusal = deny('trial-expired', undefined, { trial_expires_at: ends, upgrade_url: policy.upgradeUrl })
  const ago = Math.ceil((now - trialExpiresAt) / 1000)
  return because(refusal, { trial, ends }, `the trial ended ${ago} s before: extend trial_expires_at, or end the trial`)
}
