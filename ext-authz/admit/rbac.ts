import type { Identity } from '../identity/identity.ts'
import type { LivePolicy } from '../live-policy.ts'
import type { Request } from '../request.ts'
import { type Deny, deny } from '../verdict.ts'

/** AZ-1…AZ-3: one of the caller's roles holds the route's permission. */
export function holdsPermission(identity: Identity, live: LivePolicy, request: Request): Deny | undefined {
  const { rbac } = live.policy
  if (rbac === undefined || identity.roles.some((role) => live.permittedRoles.has(role))) return undefined
  const id = rbac.idSegment === undefined ? undefined : request.path.split('/')[rbac.idSegment + 1]
  return deny('permission-denied', undefined, {
    deny_reason: `none of your roles (${identity.roles.join(', ') || 'none known'}) holds ${rbac.permission}`,
    required_permission: rbac.permission,
    resource: rbac.resource,
    ...(id === undefined ? {} : { resource_id: id }),
    action: rbac.action,
  })
}
