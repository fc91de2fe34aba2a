import { dirname, resolve } from 'node:path'
import type { DefinitionProblem } from '../definition-problem.ts'
import { parseAddress } from './addresses.ts'
import { readSource } from './definition-files.ts'
import type { Tables } from './definitions.ts'
import { nearest } from './nearest.ts'
import {
  choices,
  didYouMean,
  isRecord,
  object,
  optional,
  type Reader,
  type Report,
  required,
  shown,
  table,
  text,
  whole,
} from './reading.ts'
import { parseJsonSource, type Source } from './source.ts'
import { keyUrl, listenAddress, upstreamAddress } from './values/network.ts'
import { kebab, plainText } from './values/words.ts'

/**
 * What a deployment puts in the place of addresses that definitions name: addresses, never rules. In its JSON file each
 * part may be left out.
 */
export interface Bindings {
  /** The address of a definition → the address to connect to. */
  readonly upstreams?: Readonly<Record<string, string>>
  /** Name in issuers.ts → its `iss` and where its keys are. */
  readonly issuers?: Readonly<Record<string, IssuerBinding>>
  /** Name in listeners.ts → where it listens. */
  readonly listeners?: Readonly<Record<string, ListenerBinding>>
  /** Name that a listener's `tls.certificate` says → PEM files; relative paths start at the bindings file. */
  readonly certificates?: Readonly<Record<string, CertificateFiles>>
}

export interface IssuerBinding {
  readonly issuer?: string
  readonly jwks?: string
}

export interface ListenerBinding {
  readonly address?: string
  readonly port?: number
  readonly tlsPort?: number
}

export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** Bindings with the file that they are from. */
export interface BoundFile {
  readonly bindings: Bindings
  readonly source: Source
}

/** More edits than this between an unused binding and an unbound address, and it is no misspelling. */
const MAX_TYPO = 2

const port = whole(1, 65_535)
const anyText = text('text of 1 to 1,000 characters', (value) =>
  value.length > 0 && value.length <= 1_000 ? undefined : { code: 'SP2010', message: `${shown(value)} is not a path` },
)

const readTables = object<Bindings>({
  upstreams: optional(table(upstreamAddress, upstreamAddress)),
  issuers: optional(table(kebab, object<IssuerBinding>({ issuer: optional(plainText), jwks: optional(keyUrl) }))),
  listeners: optional(
    table(
      kebab,
      object<ListenerBinding>({ address: optional(listenAddress), port: optional(port), tlsPort: optional(port) }),
    ),
  ),
  certificates: optional(
    table(kebab, object<CertificateFiles>({ certificate: required(anyText), key: required(anyText) })),
  ),
})

/** Reads the plain data of a bindings file. A part that is empty is as good as absent. */
export const readBindings: Reader<Bindings> = (value, path, report) => readTables(value, path, report)

/** Reads and parses a bindings file; what is in it is read by {@link readBindings}. */
export async function openBindings(file: string): Promise<Source | DefinitionProblem> {
  const text = await readSource(file)
  if ('code' in text) return { ...text, code: 'SP4001', message: `the bindings file ${text.message}` }
  return parseJsonSource(text)
}

/** The bindings with absolute paths of certificates. */
export function resolvePaths(bindings: Bindings, source: Source): Bindings {
  if (bindings.certificates === undefined) return bindings
  const folder = dirname(source.path)
  const certificates = Object.entries(bindings.certificates).map(([name, { certificate, key }]) => [
    name,
    { certificate: resolve(folder, certificate), key: resolve(folder, key) },
  ])
  return { ...bindings, certificates: Object.fromEntries(certificates) }
}

/** Reports bindings of names that nothing has, and TLS listeners that are used but have no certificate. */
export function checkBindings(
  bindings: Bindings,
  tables: Tables,
  addresses: ReadonlySet<string>,
  usedListeners: ReadonlySet<string>,
  report: Report,
): void {
  checkNames('issuers', bindings.issuers, Object.keys(tables.issuers), report)
  checkNames('listeners', bindings.listeners, Object.keys(tables.listeners), report)
  const certificates = Object.values(tables.listeners).flatMap(({ tls }) => tls?.certificate ?? [])
  checkNames('certificates', bindings.certificates, certificates, report)
  checkUpstreams(bindings.upstreams ?? {}, addresses, report)
  for (const [name, { tls }] of Object.entries(tables.listeners)) {
    if (tls === undefined && bindings.listeners?.[name]?.tlsPort !== undefined) {
      const message = `the listener ${shown(name)} has no TLS, so it has no TLS port`
      report({ code: 'SP4002', path: ['listeners', name, 'tlsPort'], message, suggestion: 'remove it' })
    }
    if (tls === undefined || !usedListeners.has(name)) continue
    if (bindings.certificates?.[tls.certificate] !== undefined) continue
    report({
      code: 'SP4004',
      path: ['certificates'],
      message: `the listener ${shown(name)} needs the certificate ${shown(tls.certificate)}, which has no files`,
      expected: `"${tls.certificate}": { "certificate": "<PEM file>", "key": "<PEM file>" }`,
    })
  }
}

function checkNames(part: keyof Bindings, bound: unknown, known: readonly string[], report: Report): void {
  for (const name of isRecord(bound) ? Object.keys(bound) : []) {
    if (known.includes(name)) continue
    report({
      code: 'SP4002',
      path: [part, name],
      part: 'key',
      message: `there is nothing called ${shown(name)} to bind`,
      expected: choices(known),
      ...didYouMean(name, known),
    })
  }
}

/**
 * A binding may outlive the upstream it was for, so that a definition can be edited without the deployment. It is a
 * mistake only when it looks like a misspelt address that has no binding.
 */
function checkUpstreams(bound: Readonly<Record<string, string>>, addresses: ReadonlySet<string>, report: Report): void {
  const unbound = [...addresses].filter((address) => !Object.hasOwn(bound, address))
  for (const address of Object.keys(bound)) {
    const meant = addresses.has(address) ? undefined : nearest(address, unbound.filter(hasName), MAX_TYPO)
    if (meant === undefined) continue
    report({
      code: 'SP4002',
      path: ['upstreams', address],
      part: 'key',
      message: `no upstream has the address ${shown(address)}`,
      suggestion: `did you mean ${shown(meant)}?`,
    })
  }
}

/** Literal addresses resemble each other without being misspelt. */
function hasName(address: string): boolean {
  return /[a-z]/i.test(parseAddress(address)?.host.replace(/^[0-9a-f:.]+$/i, '') ?? '')
}
