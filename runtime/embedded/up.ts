import { join, relative, resolve } from 'node:path'
import { discover } from './bindings.ts'
import { writableFolder } from './checkout.ts'
import { readUpConfig, type UpConfig } from './config.ts'
import { writeTokenHeaders } from './development-tokens.ts'
import { ENVOY_VERSION, envoyBinary } from './envoy-binary.ts'
import type { Ports } from './ports-table.ts'
import { type Sallyport, type StartOptions, startSallyport } from './start.ts'
import { talk } from './talk.ts'

const NOTICE_EVERY_MS = 10_000
/** Signals this close together are one, ms. */
const ECHO_MS = 300

/** Starts everything on this machine and stays until Ctrl-C or SIGTERM; resolves with the exit code. Talks on stderr. */
export async function up(): Promise<number> {
  const config = readUpConfig()
  const ending = untilSignal()
  const state = await writableFolder(resolve(config.state))
  const downloading = Date.now()
  const envoy = await envoyBinary(say, config.envoyBinary)
  say(`download ${secondsSince(downloading)}  ${config.envoyBinary === undefined ? `Envoy ${ENVOY_VERSION}` : envoy}`)
  const starting = Date.now()
  const sallyport = await startSallyport(await optionsFor(config, state, envoy))
  process.once('exit', sallyport.kill)
  ending.started()
  if (await readyBefore(sallyport, state, ending.signalled)) await announce(config, sallyport, state, starting)
  const signal = await ending.signalled
  say(`${signal}: stopping`)
  const stopping = Date.now()
  await sallyport.stop()
  say(`stopped in ${secondsSince(stopping)}`)
  return 0
}

/** False when the signal came first. Says now and then that parts are still missing: silence never means anything. */
async function readyBefore(sallyport: Sallyport, state: string, signalled: Promise<unknown>): Promise<boolean> {
  const notice = `still starting; ${here(join(state, 'log'))}/ has what each part says`
  const notices = setInterval(say, NOTICE_EVERY_MS, notice)
  try {
    return await Promise.race([sallyport.ready.then(() => true), signalled.then(() => false)])
  } finally {
    clearInterval(notices)
  }
}

async function optionsFor(config: UpConfig, state: string, envoy: string): Promise<StartOptions> {
  const common = { SALLYPORT_LOG_LEVEL: config.logLevel }
  const problems = config.problemBase === undefined ? {} : { SALLYPORT_PROBLEM_BASE: config.problemBase }
  const quota = config.spoolQuota === undefined ? {} : { SALLYPORT_SPOOL_QUOTA: config.spoolQuota }
  const spool = { ...quota, ...(config.spoolMode === undefined ? {} : { SALLYPORT_SPOOL_MODE: config.spoolMode }) }
  const issuer = config.externalIssuer === undefined ? {} : { issuer: await discover(config.externalIssuer) }
  return {
    envoy,
    definitions: resolve(config.definitions),
    state,
    ports: portsOf(config),
    workers: config.workers,
    concurrency: config.concurrency,
    ...issuer,
    ...(config.databaseUrl === undefined ? {} : { store: { external: config.databaseUrl } }),
    ...(config.node === undefined ? {} : { node: config.node }),
    settings: {
      plant: common,
      'plant-sandbox': common,
      issuer: common,
      'xds-server': { ...common, ...problems },
      'ext-authz': { ...common, ...problems, ...spool },
      recorder: common,
    },
    tell: (event) => process.stderr.write(talk(event)),
  }
}

function portsOf(config: UpConfig): Ports {
  const { http, https, internal, admin, xds, status, authzMetrics, recorderMetrics, postgres } = config
  const { issuer, plant, sandbox } = config
  return {
    http,
    https,
    internal,
    admin,
    xds,
    status,
    authzMetrics,
    recorderMetrics,
    postgres,
    issuer,
    plant,
    sandbox,
  }
}

/** What the five lines show, and the end of each. */
async function announce(config: UpConfig, sallyport: Sallyport, state: string, starting: number): Promise<void> {
  say(
    `start    ${secondsSince(starting)}  everything is ready; edits in ${here(resolve(config.definitions))} go live as you save`,
  )
  say(`audit    ${databaseOf(sallyport, state)}; read it with bin/sallyport audit tail`)
  if (config.externalIssuer !== undefined) {
    say(`tokens come from ${config.externalIssuer}; Ctrl-C stops everything`)
    return
  }
  const tokens = join(state, 'dev/tokens')
  await writeTokenHeaders(`http://127.0.0.1:${sallyport.ports.issuer}`, tokens)
  const as = (user: string) => `-H @${here(join(tokens, `${user}.header`))} `
  const base = `http://127.0.0.1:${sallyport.ports.http}`
  say('\nTry these (tokens are good for 12 hours); Ctrl-C stops everything\n')
  const lines = [
    [
      '200: the answer shows the identity headers that the upstream received',
      `${as('paying')}${base}/api/cp/v1/agents`,
    ],
    ['401: no token', `${base}/api/cp/v1/agents`],
    ['403: a viewer may not delete an agent', `${as('viewer')}-X DELETE ${base}/api/v1/agents/7`],
    ['200: a trial user works in the sandbox (X-Target-Backend: sandbox)', `${as('trial')}${base}/api/cp/v1/agents`],
    ['404: nothing there, as problem+json', `${base}/no/such/path`],
  ] as const
  for (const [shows, line] of lines) {
    say(`# ${shows}`)
    process.stdout.write(`curl -i ${line}\n`)
  }
  say('')
}

/** The database without its password. */
function databaseOf({ database }: Sallyport, state: string): string {
  if (database === undefined) return 'no database'
  const url = new URL(database.owner.reveal())
  return `${url.protocol}//${url.host}${url.pathname} (passwords in ${here(join(state, 'dev/database.json'))})`
}

/** A path as one would type it here. */
function here(file: string): string {
  const path = relative(process.cwd(), file)
  return path.startsWith('..') ? file : path
}

interface Ending {
  readonly signalled: Promise<NodeJS.Signals>
  /** There is something to stop now. */
  started(): void
}

/**
 * The first signal is for stopping in order; one before there is anything to stop, and a second, end the process at once. Output that
 * nobody reads any more counts as one signal.
 */
function untilSignal(): Ending {
  const { promise, resolve: end } = Promise.withResolvers<NodeJS.Signals>()
  let started = false
  let first: number | undefined
  const wish = (signal: NodeJS.Signals) => {
    // Ctrl-C reaches the whole terminal group and npm passes it on as well: that is one wish, not two.
    if (first !== undefined && performance.now() - first < ECHO_MS) return
    if (!started || first !== undefined) process.exit(130)
    first = performance.now()
    end(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, wish)
  // The terminal or the pipe's reader is gone, every further line fails in the same way: stop once, in order.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => {
      if (first === undefined) wish('SIGPIPE')
    })
  }
  return {
    signalled: promise,
    started: () => {
      started = true
    },
  }
}

function secondsSince(at: number): string {
  return `${((Date.now() - at) / 1000).toFixed(1)} s`
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
