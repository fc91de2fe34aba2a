import { type Configuration, Provider } from 'oidc-provider'
import type { createAdapter } from './adapter.ts'
import { claimsOf } from './claims.ts'
import type { SigningKeys } from './keys.ts'
import { isUser } from './users.ts'

/** The public client of development: authorization code with PKCE, any loopback port (RFC 8252 §7.3). */
export const DEVELOPMENT_CLIENT = 'sallyport-dev'

/** What access tokens of the code flow are for; RFC 8707 wants a URI. */
const RESOURCE = 'urn:sallyport'
const HOUR_S = 3_600

/**
 * A complete OIDC provider (discovery, JWKS at `/jwks`, authorization code with PKCE, userinfo) at `url`, signing with the newest
 * key. Login takes the name of a ready-made user and any password. Access tokens are JWTs with the claims of ID-2.
 */
export function createProvider(url: string, keys: SigningKeys, adapter: ReturnType<typeof createAdapter>): Provider {
  const configuration: Configuration = {
    adapter,
    jwks: { keys: keys.all().map((key) => ({ ...key })) },
    clients: [
      {
        client_id: DEVELOPMENT_CLIENT,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      },
    ],
    claims: { openid: ['sub'], email: ['email'] },
    findAccount: (_context, name) => {
      if (!isUser(name)) return undefined
      return { accountId: name, claims: () => ({ sub: name, email: `${name}@example.test` }) }
    },
    extraTokenClaims: (_context, token) => {
      const name = 'accountId' in token ? token.accountId : undefined
      return name !== undefined && isUser(name) ? claimsOf('waooaw', name, Date.now()) : undefined
    },
    ttl: {
      AccessToken: HOUR_S,
      AuthorizationCode: 60,
      IdToken: HOUR_S,
      Interaction: HOUR_S,
      Session: HOUR_S,
      Grant: HOUR_S,
    },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: '',
          audience: 'sallyport',
          accessTokenFormat: 'jwt',
          accessTokenTTL: HOUR_S,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  }
  return new Provider(url, configuration)
}
