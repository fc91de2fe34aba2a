import type { DevelopmentCertificates } from './certificates.ts'
import { ISSUER_PATHS } from './issuer/claims.ts'
import type { Ports } from './ports-table.ts'
import { replaceFile } from './replace-file.ts'

/** An issuer of tokens as bindings name it. */
export interface IssuerAddress {
  /** Value of `iss`. */
  readonly issuer: string
  /** URL of its keys. */
  readonly jwks: string
}

/** What a deployment substitutes in the definitions: addresses and files, never policy. */
export interface Bindings {
  readonly upstreams: Readonly<Record<string, string>>
  readonly issuers: Readonly<Record<string, IssuerAddress>>
  readonly listeners: Readonly<
    Record<string, { readonly address: string; readonly port: number; readonly tlsPort?: number }>
  >
  readonly certificates: Readonly<Record<string, { readonly certificate: string; readonly key: string }>>
}

/** Issuers of the definitions that an external `OIDC_ISSUER` stands for; the others keep the addresses they have. */
export const EXTERNAL_ISSUERS = ['waooaw', 'admin'] as const

/** The bindings of everything on this machine; without `external`, every issuer is the development issuer. */
export function developmentBindings(
  ports: Ports,
  certificates: DevelopmentCertificates,
  external: IssuerAddress | undefined,
): Bindings {
  return {
    upstreams: {
      'plant:8000': `127.0.0.1:${ports.plant}`,
      'plant-sandbox:8001': `127.0.0.1:${ports.sandbox}`,
    },
    issuers: external === undefined ? embeddedIssuers(ports.issuer) : replaced(external),
    listeners: {
      public: { address: '127.0.0.1', port: ports.http, tlsPort: ports.https },
      internal: { address: '127.0.0.1', port: ports.internal },
    },
    certificates: { edge: { certificate: certificates.certificate, key: certificates.key } },
  }
}

/** Writes the bindings for xds-server, whole or not at all: it watches the file. */
export async function writeBindings(file: string, bindings: Bindings): Promise<void> {
  await replaceFile(file, `${JSON.stringify(bindings, undefined, 2)}\n`)
}

/**
 * Reads the discovery document of an external issuer (OpenID Connect Discovery 1.0 §4). Throws when it cannot be had within 5 s,
 * or speaks for another issuer.
 */
export async function discover(issuer: string): Promise<IssuerAddress> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch((cause: unknown) => {
    throw new Error(
      `OIDC_ISSUER=${issuer}: ${url} cannot be reached; unset OIDC_ISSUER to use the development issuer`,
      { cause },
    )
  })
  const document: unknown = answer.ok ? await answer.json() : undefined
  if (isDiscovery(document) && document.issuer === issuer) return { issuer, jwks: document.jwks_uri }
  throw new Error(
    `OIDC_ISSUER=${issuer}: ${url} (status ${answer.status}) is no discovery document of exactly this issuer`,
  )
}

function isDiscovery(document: unknown): document is { issuer: string; jwks_uri: string } {
  if (typeof document !== 'object' || document === null) return false
  return 'issuer' in document && 'jwks_uri' in document && typeof document.jwks_uri === 'string'
}

function embeddedIssuers(port: number): Record<string, IssuerAddress> {
  const url = `http://127.0.0.1:${port}`
  const entries = Object.entries(ISSUER_PATHS)
  return Object.fromEntries(entries.map(([name, path]) => [name, { issuer: `${url}${path}`, jwks: `${url}/jwks` }]))
}

function replaced(external: IssuerAddress): Record<string, IssuerAddress> {
  return Object.fromEntries(EXTERNAL_ISSUERS.map((name) => [name, external]))
}
