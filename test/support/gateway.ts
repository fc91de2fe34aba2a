import { chmod, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { envoyBinary } from '../../runtime/embedded/envoy-binary.ts'
import { PORT_SETTINGS, type Ports } from '../../runtime/embedded/ports-table.ts'
import type { PartEvent } from '../../runtime/embedded/running-part.ts'
import { type Sallyport, startSallyport } from '../../runtime/embedded/start.ts'
import { freePorts } from './free-ports.ts'
import { type HeaderList, type HttpResponse, http } from './http.ts'
import { until } from './until.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const SHIPPED = join(CHECKOUT, 'policies/gateways')

/** A request through Envoy's listener, with a token of a development user where `as` names one. */
export interface GatewayRequest {
  readonly method?: string
  readonly as?: string
  readonly headers?: HeaderList
  readonly body?: string | Buffer
  readonly timeout?: number
  /** Address to call from, in 127.0.0.0/8. */
  readonly from?: string
}

/** What an echo upstream says that it received. */
export interface Echo {
  readonly upstream: string
  readonly method: string
  readonly path: string
  readonly headers: readonly (readonly [string, string])[]
  readonly trailers: readonly (readonly [string, string])[]
}

/** The whole product on free ports with a folder of its own: real Envoy, our processes, the development issuer, two upstreams. */
export interface Gateway {
  readonly sallyport: Sallyport
  readonly ports: Ports
  /** The definitions it runs, a copy of the shipped ones that a test may edit. */
  readonly definitions: string
  /** Its state folder: `audit/spool`, `audit/access`, `audit/recorder`, `dev/database.json`. */
  readonly state: string
  readonly events: readonly PartEvent[]
  request(path: string, request?: GatewayRequest): Promise<HttpResponse>
  /** An access token of the development issuer. */
  token(as: string, claims?: Record<string, unknown>, more?: { expiresIn?: number; issuer?: string }): Promise<string>
  /** What Envoy's admin answers. */
  admin(path: string): Promise<string>
  /** Writes a definition file; `../define.ts` in the text is found wherever the folder is. */
  write(file: string, text: string): Promise<void>
  logOf(part: string): Promise<string>
  stop(): Promise<void>
}

/** Starts a gateway for one test file. `edit` changes the definitions before the first load. */
export async function startGateway(
  options: {
    workers?: number
    edit?: (gateway: Pick<Gateway, 'write'>) => Promise<void>
    settings?: Parameters<typeof startSallyport>[0]['settings']
    /** True: with PostgreSQL and the recorder too. Default false; decisions and the access log are written all the same. */
    store?: boolean
  } = {},
): Promise<Gateway> {
  const envoy = await envoyBinary(() => undefined, process.env['ENVOY_BIN'])
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-'))
  // As root PostgreSQL runs as nobody, who has to pass here.
  if (options.store) await chmod(folder, 0o711)
  const definitions = join(folder, 'gateways')
  const write = async (file: string, text: string) =>
    writeFile(join(definitions, file), text.replaceAll("'../define.ts'", `'${join(CHECKOUT, 'policies/define.ts')}'`))
  await cp(SHIPPED, definitions, { recursive: true })
  for (const file of await readdir(definitions)) await write(file, await readFile(join(definitions, file), 'utf8'))
  await options.edit?.({ write })
  const events: PartEvent[] = []
  const ports = await chosenPorts()
  const sallyport = await startSallyport({
    envoy,
    definitions,
    state: join(folder, 'state'),
    ports,
    workers: options.workers ?? 2,
    concurrency: 1,
    store: options.store ? 'embedded' : 'none',
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    tell: (event) => events.push(event),
  })
  await readyOrStopped(sallyport, events)
  return gatewayOf({ sallyport, ports, folder, definitions, events, write })
}

/** Definitions that do not load keep xds-server waiting for people; a test has none. */
async function readyOrStopped(sallyport: Sallyport, events: readonly PartEvent[]): Promise<void> {
  const late = setTimeout(() => void sallyport.stop(), 30_000)
  try {
    await sallyport.ready
  } catch (cause) {
    const said = events.flatMap((event) => (event.kind === 'said' ? [event.line] : []))
    throw new Error(`the gateway did not start:\n${said.join('\n')}`, { cause })
  } finally {
    clearTimeout(late)
  }
}

async function chosenPorts(): Promise<Ports> {
  const names = Object.keys(PORT_SETTINGS)
  const free = await freePorts(names.length)
  return Object.fromEntries(names.map((name, at) => [name, free[at]])) as Ports
}

function gatewayOf(made: {
  sallyport: Sallyport
  ports: Ports
  folder: string
  definitions: string
  events: PartEvent[]
  write: Gateway['write']
}): Gateway {
  const { sallyport, ports, folder, definitions, events, write } = made
  const tokens = new Map<string, Promise<string>>()
  const token: Gateway['token'] = async (as, claims = {}, more = {}) => {
    const answer = await http({
      port: ports.issuer,
      method: 'POST',
      path: '/dev/token',
      body: JSON.stringify({ as, claims, ...more }),
    })
    if (answer.status !== 200) throw new Error(`no token for ${as}: ${answer.text}`)
    return String(answer.json()['token'])
  }
  const remembered = (as: string) => {
    const known = tokens.get(as) ?? token(as)
    tokens.set(as, known)
    return known
  }
  return {
    sallyport,
    ports,
    definitions,
    state: join(folder, 'state'),
    events,
    token,
    write,
    request: async (path, { as, headers = [], ...rest } = {}) => {
      const authorization = as === undefined ? [] : [['Authorization', `Bearer ${await remembered(as)}`] as const]
      return http({ port: ports.http, path, headers: [...authorization, ...headers], ...rest })
    },
    admin: async (path) => (await http({ port: ports.admin, path })).text,
    logOf: (part) => readFile(join(folder, 'state/log', `${part}.log`), 'utf8'),
    stop: async () => {
      await sallyport.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** What the upstream received, from an echo's answer. */
export function echo(response: HttpResponse): Echo {
  if (response.status !== 200) throw new Error(`no echo but ${response.status}: ${response.text}`)
  return JSON.parse(response.text) as Echo
}

/** Waits until a path answers with a status. */
export function answers(
  gateway: Gateway,
  path: string,
  status: number,
  request: GatewayRequest = {},
): Promise<HttpResponse> {
  return until(`${path} to answer ${status}`, async () => {
    const response = await gateway.request(path, request)
    return response.status === status ? response : undefined
  })
}
