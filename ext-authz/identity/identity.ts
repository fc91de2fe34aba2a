import type { RoleName } from '../../policies/roles.ts'

/** Who is calling: every claim that anything later reads, type-checked once and frozen (design.md §4). */
export interface Identity {
  readonly issuer: string
  readonly subject: string
  readonly userId: string
  readonly email: string
  /** Empty for platform administrators (ID-2). */
  readonly customerId: string
  /** Known roles only, highest first. */
  readonly roles: readonly RoleName[]
  /** Level of the highest role, 1 = highest; 0 where the token names no known role. */
  readonly roleLevel: number
  readonly scopes: readonly string[]
  readonly tier: string
  readonly trial: boolean
  /** Epoch milliseconds. */
  readonly trialExpiresAt?: number
  /** `jti`, where the token has one. */
  readonly tokenId: string
  readonly project: string
  readonly service: string
  readonly governorAgentId: string
  /** `exp`, epoch milliseconds. */
  readonly expiresAt: number
}
