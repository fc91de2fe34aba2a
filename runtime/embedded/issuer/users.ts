/** Somebody the development issuer knows; made up, and only there. */
export interface DevelopmentUser {
  readonly roles: readonly string[]
  /** Empty for platform staff (ID-2). */
  readonly customer: string
  readonly tier: 'free' | 'starter' | 'business' | 'enterprise'
  /** Days until the trial ends, negative when it has; absent: a paying user. */
  readonly trialDays?: number
  readonly governor?: string
}

const ACME = { customer: 'customer-acme', tier: 'business' } as const

/** Every user by the name that `sallyport dev token --as` takes: the kinds of customer first, then one per role (AZ-1). */
export const USERS = {
  paying: { ...ACME, roles: ['customer_admin'] },
  trial: { roles: ['developer'], customer: 'customer-try', tier: 'free', trialDays: 14 },
  'expired-trial': { roles: ['developer'], customer: 'customer-late', tier: 'free', trialDays: -1 },
  governor: { ...ACME, roles: ['customer_admin'], governor: 'governor-1' },
  admin: { roles: ['admin'], customer: '', tier: 'enterprise' },
  customer_admin: { ...ACME, roles: ['customer_admin'] },
  developer: { ...ACME, roles: ['developer'] },
  manager: { ...ACME, roles: ['manager'] },
  analyst: { ...ACME, roles: ['analyst'] },
  support: { ...ACME, roles: ['support'] },
  viewer: { ...ACME, roles: ['viewer'] },
} as const satisfies Record<string, DevelopmentUser>

export type UserName = keyof typeof USERS

/** Type guard: a row of the table. */
export function isUser(name: string): name is UserName {
  return Object.hasOwn(USERS, name)
}
