import type { Issuer } from '../issuers.ts'
import { type ClaimMap, JWT_ALGORITHMS } from '../issuers.ts'
import type { Listener } from '../listeners.ts'
import { flag, list, object, oneOf, optional, type Reader, required, table, whole } from './reading.ts'
import { keyUrl, listenAddress } from './values/network.ts'
import { kebab, plainText } from './values/words.ts'

/** An issuer as the table has it; lists are lists of any length until read. */
export interface IssuerData extends Omit<Issuer, 'algorithms' | 'audience'> {
  readonly algorithms: readonly Issuer['algorithms'][number][]
  readonly audience?: readonly string[]
}

const port = whole(1, 65_535)

function orNull<T>(read: Reader<T>): Reader<T | null> {
  return (value, path, report) => (value === null ? null : read(value, path, report))
}

const claims = object<ClaimMap>({
  user_id: required(plainText),
  email: required(plainText),
  customer_id: required(orNull(plainText)),
  roles: required(plainText),
  tier: required(orNull(plainText)),
  scopes: required(orNull(plainText)),
})

/** Reads `ISSUERS` of issuers.ts as it stands in the file now. */
export const readIssuers = table(
  kebab,
  object<IssuerData>({
    issuer: required(plainText),
    jwks: required(keyUrl),
    algorithms: required(list(oneOf(JWT_ALGORITHMS))),
    audience: optional(list(plainText)),
    claims: required(claims),
    clockToleranceSeconds: optional(whole(0, 300)),
    maxLifetimeSeconds: optional(whole(60, 31_536_000)),
  }),
)

const tls = object<NonNullable<Listener['tls']>>({
  port: required(port),
  certificate: required(kebab),
  minimumVersion: required(oneOf(['TLSv1.2', 'TLSv1.3'])),
})

/** Reads `LISTENERS` of listeners.ts as it stands in the file now. */
export const readListeners = table(
  kebab,
  object<Listener>({
    address: required(listenAddress),
    port: required(port),
    tls: optional(tls),
    redirectToHttps: required(flag),
    trustedHops: required(whole(0, 10)),
  }),
)
