import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writableFolder } from '../../runtime/embedded/checkout.ts'
import { envoyBinary } from '../../runtime/embedded/envoy-binary.ts'
import { PORT_SETTINGS, type Ports } from '../../runtime/embedded/ports-table.ts'
import { databaseUrls } from '../../runtime/embedded/postgres/database-file.ts'
import type { PartEvent } from '../../runtime/embedded/running-part.ts'
import { type Sallyport, type StartOptions, startSallyport } from '../../runtime/embedded/start.ts'
import { Secret } from '../../runtime/secret.ts'
import { childrenOf } from '../support/children.ts'
import { freePorts } from '../support/free-ports.ts'
import { http } from '../support/http.ts'
import { startCommitCut } from './commit-cut.ts'
import type { Victim } from './faults.ts'
import type { Targets } from './injector.ts'
import { KINDS, PROOF_GATEWAY } from './mix.ts'
import { verifyAudit } from './verify-audit.ts'
import { Witness } from './witness.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const START_WITHIN_MS = 60_000

/** A whole Sallyport for a chaos run, with a hold on all its processes. */
export interface Site {
  readonly ports: Ports
  /** Its state folder; the audit's files are in `audit` below it. */
  readonly state: string
  /** Comes into the database as one who reads. */
  readonly readerUrl: string
  readonly witness: Witness
  readonly targets: Targets
  /** Tokens of the development users that the mix needs. */
  readonly tokens: ReadonlyMap<string, string>
  /** Of a part's present process; undefined between two. */
  pid(part: string): number | undefined
  /** Ends of parts that {@link Site.targets} did not explain; a kill by the script is one `SIGKILL` of its part. */
  unexpectedEnds(): string[]
  /** What the product's own verification, and that of every segment that ever was, finds; empty when clean. */
  verify(): Promise<string[]>
  /** Stops everything and removes the folder, unless it is to be kept. */
  stop(): Promise<void>
}

/** How a site differs from `up`. */
export interface SiteOptions {
  readonly workers?: number
  readonly settings?: StartOptions['settings']
  /** Owner's URL of a PostgreSQL that the caller runs; default: the embedded one, reached by the recorder through a proxy. */
  readonly database?: string
  /** Folder of the spools where it is on a file system of its own; there is then no witness of them. Default in the state folder. */
  readonly spools?: string
  /** True: the folder stays, and `say` gets its path. */
  readonly keep?: boolean
  readonly say: (line: string) => void
}

/** Starts a site in a temporary folder on free ports. */
export async function startSite(options: SiteOptions): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-chaos-'))
  // As root PostgreSQL runs as nobody, who has to pass here.
  await chmod(folder, 0o711)
  const endings = [
    async () => {
      if (options.keep) options.say(`the files of this run are in ${folder}`)
      else await rm(folder, { recursive: true, force: true })
    },
  ]
  try {
    return await startedIn(folder, options, endings)
  } catch (error) {
    await endAll(endings)
    throw error
  }
}

/** The last first, each whatever became of the others; throws the first thing that went wrong. */
async function endAll(endings: readonly (() => Promise<void>)[]): Promise<void> {
  const wrong: unknown[] = []
  for (const end of endings.toReversed()) await end().catch((error: unknown) => wrong.push(error))
  if (wrong.length > 0) throw wrong[0]
}

async function startedIn(folder: string, options: SiteOptions, endings: (() => Promise<void>)[]): Promise<Site> {
  const state = join(folder, 'state')
  const ports = await chosenPorts()
  const proxied = options.database === undefined ? await proxiedWriter(state, ports) : undefined
  if (proxied !== undefined) endings.push(proxied.cut.close)
  const events: PartEvent[] = []
  const sallyport = await startSallyport({
    envoy: await envoyBinary(() => undefined, process.env['ENVOY_BIN']),
    definitions: await definitionsIn(join(folder, 'gateways')),
    state,
    ports,
    workers: options.workers ?? 2,
    concurrency: 1,
    store: options.database === undefined ? 'embedded' : { external: new Secret(options.database) },
    settings: settingsFor(options, proxied?.settings),
    tell: (event) => events.push(event),
  })
  const witness = new Witness(join(state, 'audit'), join(folder, 'witness'))
  endings.push(
    () => witness.stop(),
    () => sallyport.stop(),
  )
  await ready(sallyport, events)
  const tokens = await tokensFor(ports.issuer)
  const readerUrl = sallyport.database?.reader.reveal() ?? ''
  const pid = (part: string) => sallyport.part(part).pid()
  return {
    ports,
    state,
    readerUrl,
    witness,
    tokens,
    pid,
    targets: {
      pids: (victim) => pidsOf(victim, pid),
      cutCommit: () => proxied?.cut.cutNext() ?? Promise.reject(new Error('there is no proxy before this database')),
    },
    unexpectedEnds: () => endsIn(events),
    verify: () => verifyAudit({ state, witness: witness.spools, readerUrl }),
    stop: () => endAll(endings),
  }
}

function settingsFor(
  { settings, spools }: SiteOptions,
  writer: Readonly<Record<string, string>> | undefined,
): NonNullable<StartOptions['settings']> {
  const elsewhere = spools === undefined ? {} : { SALLYPORT_SPOOL_DIR: spools }
  return {
    ...settings,
    'ext-authz': { ...elsewhere, ...settings?.['ext-authz'] },
    recorder: { ...writer, ...elsewhere, ...settings?.recorder },
  }
}

/** The shipped definitions and {@link PROOF_GATEWAY}, with the path of the language made absolute. */
async function definitionsIn(folder: string): Promise<string> {
  const shipped = join(CHECKOUT, 'policies/gateways')
  const texts = new Map([['proof.ts', PROOF_GATEWAY]])
  for (const file of await readdir(shipped)) texts.set(file, await readFile(join(shipped, file), 'utf8'))
  const define = `'${join(CHECKOUT, 'policies/define.ts')}'`
  await mkdir(folder)
  for (const [file, text] of texts) await writeFile(join(folder, file), text.replaceAll("'../define.ts'", define))
  return folder
}

/** The database's passwords are made before its first start, so that the recorder's URL can go through a proxy. */
async function proxiedWriter(state: string, ports: Ports) {
  const dev = await writableFolder(join(state, 'dev'))
  const urls = await databaseUrls(join(dev, 'database.json'), { port: ports.postgres })
  const cut = await startCommitCut(ports.postgres)
  const writer = new URL(urls.writer.reveal())
  writer.port = String(cut.port)
  return { cut, settings: { SALLYPORT_WRITER_URL: writer.href } }
}

/** Definitions that do not load would keep xds-server waiting for people. */
async function ready(sallyport: Sallyport, events: readonly PartEvent[]): Promise<void> {
  const late = setTimeout(() => void sallyport.stop(), START_WITHIN_MS)
  try {
    await sallyport.ready
  } catch (cause) {
    const said = events.flatMap((event) => (event.kind === 'said' ? [event.line] : []))
    throw new Error(`Sallyport did not start:\n${said.join('\n')}`, { cause })
  } finally {
    clearTimeout(late)
  }
}

async function chosenPorts(): Promise<Ports> {
  const names = Object.keys(PORT_SETTINGS)
  const free = await freePorts(names.length)
  return Object.fromEntries(names.map((name, at) => [name, free[at]])) as Ports
}

async function tokensFor(issuer: number): Promise<ReadonlyMap<string, string>> {
  const users = new Set(KINDS.flatMap(({ as }) => as ?? []))
  const tokens = new Map<string, string>()
  for (const as of users) {
    const answer = await http({ port: issuer, method: 'POST', path: '/dev/token', body: JSON.stringify({ as }) })
    if (answer.status !== 200) throw new Error(`no token for ${as}: ${answer.text}`)
    tokens.set(as, String(answer.json()['token']))
  }
  return tokens
}

function pidsOf(victim: Victim, pid: (part: string) => number | undefined): readonly number[] {
  const leader = pid(victim === 'worker' ? 'ext-authz' : victim)
  if (leader === undefined) return []
  return victim === 'worker' ? childrenOf(leader) : [leader]
}

/** SIGKILL is how the script kills; whatever else ends a part is worth a look. */
function endsIn(events: readonly PartEvent[]): string[] {
  return events.flatMap((event) =>
    event.kind === 'ended' && event.how !== 'SIGKILL' ? [`${event.part}: ${event.how}`] : [],
  )
}
