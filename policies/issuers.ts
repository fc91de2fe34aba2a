/** Signature algorithms an issuer may list (ID-1). HMAC is absent on purpose: an issuer never mixes key kinds. */
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number]

export const JWT_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const

/**
 * Where a token keeps what an `Identity` needs; each value is a claim name, or a path such as `realm_access.roles`.
 * `null`: tokens of this issuer do not carry it (the identity then holds an empty value).
 */
export interface ClaimMap {
  readonly user_id: string
  readonly email: string
  readonly customer_id: string | null
  /** An array of role names, or one role name. */
  readonly roles: string
  readonly tier: string | null
  /** An array of scopes, or one space-separated string (RFC 8693 §4.2). */
  readonly scopes: string | null
}

/** A source of tokens, as `jwt('name')` refers to it (ID-2, ID-3, ID-4). */
export interface Issuer {
  /** Exact value of the `iss` claim. */
  readonly issuer: string
  /** Where its keys are: an `https:` URL, or a `file:` URL of a JWKS or PEM file. */
  readonly jwks: string
  readonly algorithms: readonly [JwtAlgorithm, ...JwtAlgorithm[]]
  /** Accepted `aud` values; without it the audience is not checked. */
  readonly audience?: readonly [string, ...string[]]
  readonly claims: ClaimMap
  /** Allowed difference between the issuer's clock and ours. Default 5. */
  readonly clockToleranceSeconds?: number
  /** Longest accepted life of a token, `exp - iat`. Default 86,400. */
  readonly maxLifetimeSeconds?: number
}

export type IssuerName = keyof typeof ISSUERS

/** The token contract of ID-2. */
const CONTRACT: ClaimMap = {
  user_id: 'user_id',
  email: 'email',
  customer_id: 'customer_id',
  roles: 'roles',
  tier: 'tier',
  scopes: 'scopes',
}

/** Every issuer that gateways may name. A deployment replaces addresses through its bindings, never the rules. */
export const ISSUERS = {
  waooaw: {
    issuer: 'waooaw.com',
    jwks: 'https://waooaw.com/.well-known/jwks.json',
    algorithms: ['RS256'],
    claims: CONTRACT,
  },
  admin: {
    issuer: 'https://admin.waooaw.com',
    jwks: 'https://admin.waooaw.com/.well-known/jwks.json',
    algorithms: ['RS256', 'ES256'],
    claims: CONTRACT,
  },
  'waooaw-ai': {
    issuer: 'https://auth.waooaw.ai',
    jwks: 'https://auth.waooaw.ai/.well-known/jwks.json',
    algorithms: ['RS256'],
    audience: ['https://api.waooaw.ai'],
    claims: { user_id: 'sub', email: 'email', customer_id: null, roles: 'role', tier: 'tier', scopes: 'scopes' },
  },
  keycloak: {
    issuer: 'https://keycloak.waooaw.com/realms/waooaw',
    jwks: 'https://keycloak.waooaw.com/realms/waooaw/protocol/openid-connect/certs',
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    audience: ['sallyport'],
    claims: {
      user_id: 'sub',
      email: 'email',
      customer_id: 'customer_id',
      roles: 'realm_access.roles',
      tier: 'tier',
      scopes: 'scope',
    },
  },
} as const satisfies Record<string, Issuer>
