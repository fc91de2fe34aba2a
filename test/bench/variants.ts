import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LOG_FLUSH } from '../../runtime/embedded/parts/envoy.ts'
import { freePorts } from '../support/free-ports.ts'
import { until } from '../support/until.ts'
import { type Checkout, OWN } from './checkout.ts'
import type { Child, Children } from './children.ts'
import { upstreamConfig } from './envoy-config.ts'

/** Who is asked in each variant. */
export const VARIANTS = {
  A: 'bare Envoy',
  B: 'empty Check service',
  C: 'ext-authz',
  D: 'ext-authz, memo off',
  P: 'ext-authz before',
} as const

export type VariantKey = keyof typeof VARIANTS

/** A running variant: an Envoy of its own with an authorizer of its own. */
export interface Variant {
  readonly key: VariantKey
  readonly port: number
  readonly envoy: number
  /** Process id; undefined where nobody is asked. */
  readonly authorizer: number | undefined
}

/** What all variants share. */
export interface Stage {
  readonly children: Children
  readonly folder: string
  /** Path of Envoy's binary. */
  readonly envoy: string
  readonly jwksUrl: string
  /** Folder for a CPU profile of each authorizer; undefined: none is taken. */
  readonly profiles: string | undefined
  /** Whose edge and workers variant P runs; undefined: there is no P. */
  readonly against: Checkout | undefined
}

/** The variants of a run, in the order of reports. */
export function keysOf({ against }: { readonly against: unknown }): VariantKey[] {
  const all = Object.keys(VARIANTS) as VariantKey[]
  return against === undefined ? all.filter((key) => key !== 'P') : all
}

/** Starts the upstream; returns its port. */
export async function startUpstream(stage: Stage): Promise<number> {
  const [port = 0, adminPort = 0] = await freePorts(2)
  await startEnvoy(stage, 'upstream', { port: adminPort, config: upstreamConfig(port, adminPort) })
  return port
}

/** Starts one variant and waits until its Envoy takes requests. */
export async function startVariant(stage: Stage, key: VariantKey, upstreamPort: number): Promise<Variant> {
  const [port = 0, adminPort = 0] = await freePorts(2)
  const runDir = join(stage.folder, key)
  await mkdir(runDir, { recursive: true, mode: 0o700 })
  const authorizer = key === 'A' ? undefined : await startAuthorizer(stage, key, runDir)
  const socket = authorizer && join(runDir, 'ext-authz-0.sock')
  const plan = {
    port,
    adminPort,
    upstreamPort,
    jwksUrl: stage.jwksUrl,
    authorizer: socket,
    accessLog: accessLog(runDir),
  }
  const config = await checkoutOf(stage, key).edgeConfig(plan)
  const envoy = await startEnvoy(stage, key, { port: adminPort, config })
  return { key, port, envoy: envoy.pid, authorizer: authorizer?.pid }
}

async function startEnvoy(stage: Stage, name: string, admin: { port: number; config: string }): Promise<Child> {
  const file = join(stage.folder, `envoy-${name}.json`)
  await writeFile(file, admin.config)
  const args = ['-c', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'error', ...LOG_FLUSH]
  const child = stage.children.start(`Envoy of ${name}`, stage.envoy, args, {})
  await until(`Envoy of ${name}`, async () => {
    if (child.process.exitCode !== null) throw new Error(`it ended with code ${child.process.exitCode}`)
    return (await fetch(`http://127.0.0.1:${admin.port}/ready`)).ok
  })
  return child
}

async function startAuthorizer(stage: Stage, key: Exclude<VariantKey, 'A'>, runDir: string): Promise<Child> {
  const { folder, workerFlags, workerEnvironment, settings } = checkoutOf(stage, key)
  const profile = stage.profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(stage.profiles, key)}`]
  const script = key === 'B' ? ['test/bench/empty-service.ts', join(runDir, 'ext-authz-0.sock')] : [WORKER, '0']
  const child = stage.children.start(
    `authorizer of ${key}`,
    process.execPath,
    [...workerFlags, ...profile, join(folder, script[0] ?? ''), ...script.slice(1)],
    {
      ...workerEnvironment(runDir),
      SALLYPORT_RUN_DIR: runDir,
      ...(key !== 'B' && settings),
      SALLYPORT_LOG_LEVEL: 'warn',
      ...(key === 'D' && { SALLYPORT_MEMO: '0' }),
    },
  )
  await serving(child, key)
  return child
}

/** Both authorizers say so over IPC. */
function serving({ process: child }: Child, key: VariantKey): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('exit', (code) => reject(new Error(`the authorizer of ${key} ended with ${code} instead of serving`)))
  })
}

const WORKER = 'ext-authz/worker-main.ts'

const accessLog = (runDir: string) => join(runDir, 'access.log')

function checkoutOf({ against }: Stage, key: VariantKey): Checkout {
  if (key !== 'P') return OWN
  if (against === undefined) throw new Error('variant P needs a checkout to run')
  return against
}
