import type { LivePolicy } from '../live-policy.ts'
import type { Request } from '../request.ts'
import { because, deny, type Finding, SKIPPED } from '../verdict.ts'

/** Most entries of a list that a refusal's facts name. */
const MAX_NAMED = 20

/** ID-13: the trusted client address is in the lists of the gateway and of the route. */
export function fromAllowedAddress({ clientAddress }: Request, live: LivePolicy): Finding {
  const lists = live.policy.addresses
  if (lists === undefined) return SKIPPED
  const matches = live.addressMatches(clientAddress)
  if (matches?.every((match) => match !== undefined))
    return { kind: 'pass', facts: { address: clientAddress, matches } }
  const refusal = deny('permission-denied', 'Requests from this address are not accepted here.', {
    deny_reason: 'address',
  })
  const missing = lists.filter((_list, at) => matches?.[at] === undefined).map((list) => list.slice(0, MAX_NAMED))
  if (matches === undefined) {
    const facts = { address: clientAddress?.slice(0, 64) ?? null, missing }
    return because(refusal, facts, 'let Envoy know the client address: check trustedHops of the listener')
  }
  const bits = clientAddress?.includes(':') ? 128 : 32
  return because(refusal, { address: clientAddress, missing }, `add ${clientAddress}/${bits} to addresses`)
}
