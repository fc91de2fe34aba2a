import { type DevelopmentUser, USERS, type UserName } from './users.ts'

/**
 * The issuers of `policies/issuers.ts` that development stands in for, each with the shape of its tokens and its path below the
 * development issuer: tokens of one are not accepted as tokens of another, as in production (ID-2, ID-3).
 */
export const ISSUER_PATHS = {
  waooaw: '',
  admin: '/admin',
  'waooaw-ai': '/waooaw-ai',
  keycloak: '/keycloak',
} as const

export type DevelopmentIssuer = keyof typeof ISSUER_PATHS

/** Type guard: an issuer that development stands in for. */
export function isIssuer(name: string): name is DevelopmentIssuer {
  return Object.hasOwn(ISSUER_PATHS, name)
}

/** Everything a token says about its user, as that issuer words it; times and identifiers of the token itself excepted. */
export function claimsOf(issuer: DevelopmentIssuer, name: UserName, now: number): Record<string, unknown> {
  const user: DevelopmentUser = USERS[name]
  const common = { sub: name, email: `${name}@example.test`, tier: user.tier, ...trialOf(user, now) }
  if (issuer === 'waooaw-ai') {
    return { ...common, role: user.roles[0], scopes: SCOPES, aud: 'https://api.waooaw.ai' }
  }
  if (issuer === 'keycloak') {
    const realm = { roles: [...user.roles, 'offline_access', 'uma_authorization'] }
    return { ...common, customer_id: user.customer, realm_access: realm, scope: SCOPES.join(' '), aud: 'sallyport' }
  }
  return {
    ...common,
    user_id: name,
    customer_id: user.customer,
    roles: user.roles,
    scopes: SCOPES,
    aud: 'sallyport',
    ...(user.governor === undefined ? {} : { governor_agent_id: user.governor }),
  }
}

const SCOPES = ['marketing:*', 'education:*', 'sales:*', 'agents:*']
const DAY_MS = 86_400_000

function trialOf(user: DevelopmentUser, now: number): Record<string, unknown> {
  if (user.trialDays === undefined) return { trial_mode: false }
  return { trial_mode: true, trial_expires_at: new Date(now + user.trialDays * DAY_MS).toISOString() }
}
