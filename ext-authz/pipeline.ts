import { fromAllowedAddress } from './admit/address.ts'
import { holdsPermission } from './admit/rbac.ts'
import { holdsScopes } from './admit/scopes.ts'
import { withinTrial } from './admit/trial.ts'
import type { Identity } from './identity/identity.ts'
import type { LivePolicy } from './live-policy.ts'
import type { Request } from './request.ts'
import type { Deny } from './verdict.ts'

/** A check of one request before anybody is identified; runs on every request, never remembered. */
export type RequestStage = (request: Request, live: LivePolicy) => Deny | undefined

/** A check of an identified caller; its consent is remembered per token and policy (design.md §3). */
export type CallerStage = (identity: Identity, live: LivePolicy, request: Request, now: number) => Deny | undefined

/** The order of the checks before identity; each place has its reason. */
export const REQUEST_STAGES: readonly RequestStage[] = [
  fromAllowedAddress, // first: a stranger's network costs no signature check and learns nothing about tokens
]

/** The order of the checks on an identified caller. Identity is verified before any of them reads a claim. */
export const CALLER_STAGES: readonly CallerStage[] = [
  (identity, live, _request, now) => withinTrial(identity, live, now), // first: an ended trial has one answer on every route
  holdsScopes, // before roles: what the token was issued for limits what its owner may do with it
  (identity, live, request) => holdsPermission(identity, live, request), // last: the answer names the permission, only for callers who are in
]
