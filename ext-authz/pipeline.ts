import type { PolicySources } from '../policies/policy.ts'
import { fromAllowedAddress } from './admit/address.ts'
import { holdsPermission } from './admit/rbac.ts'
import { holdsScopes } from './admit/scopes.ts'
import { withinTrial } from './admit/trial.ts'
import type { Identity } from './identity/identity.ts'
import type { LivePolicy } from './live-policy.ts'
import type { Request } from './request.ts'
import type { Finding } from './verdict.ts'

/** What a record calls a stage, and which of the policy's sources says where its rule was written. */
export interface StageName {
  readonly name: string
  readonly rule?: keyof PolicySources
}

/** A check of one request before anybody is identified; runs on every request, never remembered. */
export interface RequestStage extends StageName {
  readonly judge: (request: Request, live: LivePolicy) => Finding
}

/** A check of an identified caller; its consent is remembered per token and policy (design.md §3). */
export interface CallerStage extends StageName {
  readonly judge: (identity: Identity, live: LivePolicy, request: Request, now: number) => Finding
}

/** The order of the checks before identity; each place has its reason. */
export const REQUEST_STAGES: readonly RequestStage[] = [
  // First: a stranger's network costs no signature check and learns nothing about tokens.
  { name: 'address', rule: 'addresses', judge: fromAllowedAddress },
]

/** Who calls: between the two lists, because it may have to wait. */
export const IDENTIFY: StageName = { name: 'identify', rule: 'identity' }

/** The order of the checks on an identified caller. Identity is verified before any of them reads a claim. */
export const CALLER_STAGES: readonly CallerStage[] = [
  // First: an ended trial has one answer on every route.
  { name: 'trial', judge: (identity, live, _request, now) => withinTrial(identity, live, now) },
  // Before roles: what the token was issued for limits what its owner may do with it.
  { name: 'scopes', rule: 'scopes', judge: holdsScopes },
  // Last: the answer names the permission, only for callers who are in.
  { name: 'rbac', rule: 'rbac', judge: (identity, live, request) => holdsPermission(identity, live, request) },
]

/** Where the request goes; never refuses. */
export const TARGET: StageName = { name: 'target', rule: 'target' }
