/** The seven roles; level 1 is the highest (AZ-1). */
export const ROLES = {
  admin: { level: 1, title: 'Platform administrator' },
  customer_admin: { level: 2, title: 'Administrator of one customer' },
  developer: { level: 3, title: 'Builds and deploys agents' },
  manager: { level: 4, title: 'Runs a team of agents' },
  analyst: { level: 5, title: 'Reads results and reports' },
  support: { level: 6, title: 'Helps customers' },
  viewer: { level: 7, title: 'Looks, never touches' },
} as const

export type RoleName = keyof typeof ROLES

/** Who may do what, one row a permission: the table a reviewer reads (AZ-1). A role that is not named may not. */
export const PERMISSIONS = {
  'agents:read': ['admin', 'customer_admin', 'developer', 'manager', 'analyst', 'support', 'viewer'],
  'agents:create': ['admin', 'customer_admin', 'developer'],
  'agents:update': ['admin', 'customer_admin', 'developer', 'manager'],
  'agents:delete': ['admin', 'customer_admin'],
  'deployments:read': ['admin', 'customer_admin', 'developer', 'manager', 'analyst', 'support', 'viewer'],
  'deployments:deploy': ['admin', 'customer_admin', 'developer'],
  'deployments:update': ['admin', 'customer_admin', 'developer'],
  'deployments:delete': ['admin', 'customer_admin'],
  'tasks:read': ['admin', 'customer_admin', 'developer', 'manager', 'analyst', 'support', 'viewer'],
  'tasks:create': ['admin', 'customer_admin', 'developer', 'manager'],
  'tasks:update': ['admin', 'customer_admin', 'developer', 'manager'],
  'tasks:delete': ['admin', 'customer_admin', 'manager'],
  'projects:read': ['admin', 'customer_admin', 'developer', 'manager', 'analyst', 'support', 'viewer'],
  'projects:create': ['admin', 'customer_admin', 'developer', 'manager'],
  'projects:update': ['admin', 'customer_admin', 'developer', 'manager'],
  'projects:delete': ['admin', 'customer_admin'],
  'users:read': ['admin', 'customer_admin', 'manager', 'support'],
  'users:create': ['admin', 'customer_admin'],
  'users:update': ['admin', 'customer_admin'],
  'users:delete': ['admin', 'customer_admin'],
  'customers:read': ['admin', 'customer_admin', 'support'],
  'customers:create': ['admin'],
  'customers:update': ['admin', 'customer_admin'],
  'customers:delete': ['admin'],
  'billing:read': ['admin', 'customer_admin'],
  'billing:update': ['admin', 'customer_admin'],
  'subscriptions:read': ['admin', 'customer_admin', 'manager'],
  'subscriptions:update': ['admin', 'customer_admin'],
  'reports:read': ['admin', 'customer_admin', 'manager', 'analyst', 'support', 'viewer'],
  'reports:create': ['admin', 'customer_admin', 'manager', 'analyst'],
  'exports:create': ['admin', 'customer_admin', 'analyst'],
  'audit:read': ['admin', 'customer_admin'],
  'settings:read': ['admin', 'customer_admin', 'developer', 'manager'],
  'settings:update': ['admin', 'customer_admin'],
  'partners:read': ['admin', 'customer_admin', 'developer', 'manager', 'support'],
  'partners:update': ['admin', 'customer_admin'],
} as const satisfies Record<string, readonly RoleName[]>

/** `resource:action`, as routes derive it (AZ-2). */
export type Permission = keyof typeof PERMISSIONS

/** Type guard: one of the seven; every other role name in a token is dropped (design.md §4). */
export function isRole(name: string): name is RoleName {
  return Object.hasOwn(ROLES, name)
}

/** Type guard: a row of the table. */
export function isPermission(name: string): name is Permission {
  return Object.hasOwn(PERMISSIONS, name)
}
