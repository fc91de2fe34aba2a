import type { Identity } from '../identity/identity.ts'
import type { LivePolicy } from '../live-policy.ts'
import { segmentAt } from '../path-segment.ts'
import type { Request } from '../request.ts'
import { because, deny, type Finding, SKIPPED } from '../verdict.ts'

/** AZ-1…AZ-3: one of the caller's roles holds the route's permission. */
export function holdsPermission(identity: Identity, live: LivePolicy, request: Request): Finding {
  const { rbac } = live.policy
  if (rbac === undefined) return SKIPPED
  const holders = [...live.permittedRoles]
  const facts = { permission: rbac.permission, roles: identity.roles, holders }
  if (identity.roles.some((role) => live.permittedRoles.has(role))) return { kind: 'pass', facts }
  const id = rbac.idSegment === undefined ? undefined : segmentAt(request.path, rbac.idSegment)
  const refusal = deny('permission-denied', undefined, {
    deny_reason: `none of your roles (${identity.roles.join(', ') || 'none known'}) holds ${rbac.permission}`,
    required_permission: rbac.permission,
    resource: rbac.resource,
    ...(id === undefined ? {} : { resource_id: id }),
    action: rbac.action,
  })
  return because(refusal, facts, `give the caller a role that holds ${rbac.permission}: ${holders.join(', ')}`)
}
