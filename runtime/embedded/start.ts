import { join } from 'node:path'
import { Secret } from '../secret.ts'
import { auditFolders } from './audit-folders.ts'
import { developmentBindings, writeBindings } from './bindings.ts'
import { developmentCertificates } from './certificates.ts'
import { writableFolder } from './checkout.ts'
import type { Ports } from './ports-table.ts'
import { serverAccount } from './postgres/account.ts'
import { dataFolder } from './postgres/data-folder.ts'
import { type DatabaseUrls, databaseUrls } from './postgres/database-file.ts'
import { REACHABLE_PLACE } from './postgres/programs.ts'
import type { PartEvent } from './running-part.ts'
import { type PartsOptions, type PartsPlaces, sallyportParts } from './sallyport-parts.ts'
import { socketFolder } from './sockets.ts'
import { claimSole } from './sole.ts'
import { type Supervised, supervise } from './supervisor.ts'

/** Everything that differs between one Sallyport on this machine and another; nothing is read from the environment. */
export interface StartOptions extends PartsOptions {
  /** Folder for keys, logs, sockets, spools, the database and bindings; one Sallyport at a time. */
  readonly state: string
  /**
   * Where audit rows go: the embedded PostgreSQL, or an external one by its owner's URL. `none` starts neither PostgreSQL nor the
   * recorder; decisions and completions then stay where they were written. Default `embedded`.
   */
  readonly store?: 'none' | 'embedded' | { readonly external: Secret }
  /** Name of this gateway pod in the audit; default one that is kept in the state folder. */
  readonly node?: string
  readonly tell: (event: PartEvent) => void
}

/** A Sallyport that is starting or running. */
export interface Sallyport extends Supervised {
  readonly ports: Ports
  /** PEM file of the development authority that signed the listener's certificate. */
  readonly authority: string
  /** The bindings file that xds-server watches. */
  readonly bindings: string
  /** How to come into the audit's database; absent where there is none. */
  readonly database?: DatabaseUrls
}

/**
 * Starts all parts on this machine; await `ready`. Throws before anything runs or is written when another one runs in the same state
 * folder, when a port is taken or a folder not writable.
 */
export async function startSallyport(options: StartOptions): Promise<Sallyport> {
  const run = await writableFolder(join(options.state, 'run'))
  const release = await claimSole(join(run, 'supervisor.json'))
  try {
    const sallyport = await started(options, run)
    const ready = sallyport.ready.catch(async (error: unknown) => {
      await release()
      throw error
    })
    return { ...sallyport, ready, stop: () => sallyport.stop().finally(release) }
  } catch (error) {
    await release()
    throw error
  }
}

async function started(options: StartOptions, run: string): Promise<Sallyport> {
  const { state, ports } = options
  const dev = await writableFolder(join(state, 'dev'))
  const sockets = await socketFolder(run)
  const certificates = await developmentCertificates(join(dev, 'certificates'))
  const bindings = join(dev, 'bindings.json')
  await writeBindings(bindings, developmentBindings(ports, certificates, options.issuer))
  const audit = await auditFolders(state, options.node)
  const store = await storeOf(options, dev)
  const places = { dev, run, sockets, bindings, audit, ...(store === undefined ? {} : { store }) }
  const logs = join(state, 'log')
  const supervised = await supervise(sallyportParts(options, places), { logs, tell: options.tell })
  const database = store === undefined ? {} : { database: store.urls }
  return { ...supervised, ports, authority: certificates.authority, bindings, ...database }
}

async function storeOf(options: StartOptions, dev: string): Promise<PartsPlaces['store']> {
  const { store = 'embedded', ports, state } = options
  if (store === 'none') return undefined
  const file = join(dev, 'database.json')
  if (store !== 'embedded')
    return { urls: await databaseUrls(file, { port: ports.postgres, external: store.external }) }
  const urls = await databaseUrls(file, { port: ports.postgres })
  const password = new Secret(new URL(urls.owner.reveal()).password)
  const data = await dataFolder(state, await serverAccount(), REACHABLE_PLACE)
  const elsewhere = data.startsWith(`${state}/`) ? {} : { elsewhere: data }
  return { urls, embedded: { data, password, ...elsewhere } }
}
