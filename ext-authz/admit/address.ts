import type { LivePolicy } from '../live-policy.ts'
import type { Request } from '../request.ts'
import { type Deny, deny } from '../verdict.ts'

/** ID-13: the trusted client address is in the lists of the gateway and of the route. */
export function fromAllowedAddress(request: Request, live: LivePolicy): Deny | undefined {
  if (live.allowsAddress(request.clientAddress)) return undefined
  return deny('permission-denied', 'Requests from this address are not accepted here.', { deny_reason: 'address' })
}
