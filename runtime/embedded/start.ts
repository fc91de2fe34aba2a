import { join } from 'node:path'
import { developmentBindings, type IssuerAddress, writeBindings } from './bindings.ts'
import { developmentCertificates } from './certificates.ts'
import { writableFolder } from './checkout.ts'
import type { Part } from './part.ts'
import { envoyPart } from './parts/envoy.ts'
import { extAuthzPart, workerSockets } from './parts/ext-authz.ts'
import { issuerPart } from './parts/issuer.ts'
import { upstreamPart } from './parts/upstream.ts'
import { xdsServerPart } from './parts/xds-server.ts'
import type { PortUse } from './ports.ts'
import { PORT_SETTINGS, type PortName, type Ports } from './ports-table.ts'
import type { PartEvent } from './running-part.ts'
import { socketFolder } from './sockets.ts'
import { claimSole } from './sole.ts'
import { type Supervised, supervise } from './supervisor.ts'

/** The parts of one Sallyport on this machine. */
export type PartName = 'plant' | 'plant-sandbox' | 'issuer' | 'xds-server' | 'ext-authz' | 'envoy'

/** Everything that differs between one Sallyport on this machine and another; nothing is read from the environment. */
export interface StartOptions {
  /** Path of the Envoy binary. */
  readonly envoy: string
  /** Folder of gateway definitions. */
  readonly definitions: string
  /** Folder for keys, logs, sockets and bindings; one Sallyport at a time. */
  readonly state: string
  readonly ports: Ports
  /** ext-authz workers. */
  readonly workers: number
  /** Envoy's worker threads. */
  readonly concurrency: number
  /** Tokens come from here instead of the development issuer. */
  readonly issuer?: IssuerAddress
  /** More settings (environment variables) of our own processes, by part. */
  readonly settings?: Readonly<Partial<Record<PartName, Readonly<Record<string, string>>>>>
  readonly tell: (event: PartEvent) => void
}

/** A Sallyport that is starting or running. */
export interface Sallyport extends Supervised {
  readonly ports: Ports
  /** PEM file of the development authority that signed the listener's certificate. */
  readonly authority: string
  /** The bindings file that xds-server watches. */
  readonly bindings: string
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
  const parts = partsOf(options, { dev, run, sockets, bindings })
  const supervised = await supervise(parts, { logs: join(state, 'log'), tell: options.tell })
  return { ...supervised, ports, authority: certificates.authority, bindings }
}

interface Folders {
  readonly dev: string
  readonly run: string
  readonly sockets: string
  readonly bindings: string
}

/** Every part as data: one more (a store, say) is one file in parts/ and one entry here. */
function partsOf(options: StartOptions, folders: Folders): readonly Part[] {
  const { ports, workers } = options
  const at = (name: PortName): PortUse => ({
    address: '127.0.0.1',
    port: ports[name],
    setting: PORT_SETTINGS[name].name,
  })
  const settings = (part: PartName) => options.settings?.[part] ?? {}
  const issuer = issuerPart(at('issuer'), join(folders.dev, 'issuer-keys.json'), settings('issuer'))
  const before: readonly Part[] = [
    upstreamPart('plant', at('plant'), settings('plant')),
    upstreamPart('plant-sandbox', at('sandbox'), settings('plant-sandbox')),
    ...(options.issuer === undefined ? [issuer] : []),
    xdsServerPart({
      xds: at('xds'),
      status: at('status'),
      definitions: options.definitions,
      bindings: folders.bindings,
      settings: settings('xds-server'),
    }),
    extAuthzPart({ metrics: at('authzMetrics'), sockets: folders.sockets, workers, settings: settings('ext-authz') }),
  ]
  const envoy = envoyPart({
    binary: options.envoy,
    bootstrapFile: join(folders.run, 'envoy.json'),
    bootstrap: {
      nodeId: `sallyport-${process.pid}`,
      nodeCluster: 'sallyport',
      adminPort: ports.admin,
      xdsAddress: '127.0.0.1',
      xdsPort: ports.xds,
      extAuthzSockets: workerSockets(folders.sockets, workers),
    },
    concurrency: options.concurrency,
    admin: at('admin'),
    listeners: [at('http'), at('https')],
    needs: before.map((part) => part.name),
  })
  return [...before, envoy]
}
