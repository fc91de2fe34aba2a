import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import type { Compiled } from '../../policies/compile.ts'
import { DEFAULT_PROBLEM_BASE } from '../../policies/problems.ts'
import { authorizationService } from '../../protos/auth.ts'
import type { CheckRequest__Output } from '../../protos/gen/envoy/service/auth/v3/CheckRequest.ts'
import type { CheckResponse } from '../../protos/gen/envoy/service/auth/v3/CheckResponse.ts'
import { LIVE_LOG } from '../../runtime/access-log-names.ts'
import { developmentCertificates } from '../../runtime/embedded/certificates.ts'
import { envoyBinary } from '../../runtime/embedded/envoy-binary.ts'
import { envoyPart } from '../../runtime/embedded/parts/envoy.ts'
import { type RunningPart, runPart } from '../../runtime/embedded/running-part.ts'
import { type EchoUpstream, startEcho } from '../../runtime/embedded/upstream/echo.ts'
import { createHealth } from '../../runtime/health.ts'
import { createLog } from '../../runtime/log.ts'
import { readCertificates } from '../../xds-server/certificates.ts'
import { createXdsServer, type XdsServer } from '../../xds-server/stream/server.ts'
import { translate } from '../../xds-server/translate/snapshot.ts'
import { freePorts } from './free-ports.ts'
import { grpcHealth } from './grpc-health.ts'
import { until } from './until.ts'

/** Free ports and files that definitions of a lone Envoy may use. */
export interface LoneEnvoyPlaces {
  readonly http: number
  /** A second plain port, and a TLS port. */
  readonly plain: number
  readonly tls: number
  /** Of an echo upstream. */
  readonly upstream: number
  readonly certificate: { readonly certificate: string; readonly key: string }
}

/** A line of the access log, parsed. */
export type LogLine = Readonly<Record<string, unknown>>

/** A real Envoy that runs what the product would push, asks an authorizer of the test, and logs where the product would. */
export interface LoneEnvoy {
  readonly places: LoneEnvoyPlaces
  readonly adminUrl: string
  /** The live access log. */
  readonly accessLog: string
  /** PEM file of the authority that signed the TLS listener's certificate. */
  readonly authority: string
  /** Every Check so far. */
  readonly checks: readonly CheckRequest__Output[]
  readonly envoy: RunningPart
  /** Names of the files of the log's folder, sorted. */
  logFiles(): Promise<string[]>
  /** The log lines of all files, oldest file first. */
  logLines(): Promise<LogLine[]>
  /** The text of a file of the log's folder. */
  logText(name: string): Promise<string>
  stop(): Promise<void>
}

type Decide = (check: CheckRequest__Output) => CheckResponse | Promise<CheckResponse>

/** Starts it; ready when it serves. `decide` answers each Check, `compiled` says what runs. */
export async function startLoneEnvoy(
  compiled: (places: LoneEnvoyPlaces) => Compiled,
  decide: Decide,
): Promise<LoneEnvoy> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-envoy-'))
  const accessLog = join(folder, 'access', LIVE_LOG)
  const [http = 0, plain = 0, tls = 0, adminPort = 0] = await freePorts(4)
  const upstream = await startEcho('plant', 0)
  const { authority, ...certificate } = await developmentCertificates(folder)
  const places = { http, plain, tls, upstream: upstream.port, certificate }
  const socket = join(folder, 'authorizer.sock')
  const checks: CheckRequest__Output[] = []
  const authorizer = await serveChecks(socket, (check) => {
    checks.push(check)
    return decide(check)
  })
  const xds = await pushing(compiled(places), accessLog)
  const admin = { address: '127.0.0.1', port: adminPort, setting: 'none' }
  const part = envoyPart({
    binary: await envoyBinary(() => undefined, process.env['ENVOY_BIN']),
    bootstrapFile: join(folder, 'envoy.json'),
    bootstrap: {
      nodeId: `lone-${process.pid}`,
      nodeCluster: 'lone',
      adminPort,
      xdsAddress: '127.0.0.1',
      xdsPort: xds.port,
      extAuthzSockets: [socket],
    },
    concurrency: 2,
    admin,
    listeners: [],
    needs: [],
    accessLog,
  })
  const envoy = runPart(part, join(folder, 'envoy.log'), () => undefined)
  const logs = logsIn(join(folder, 'access'))
  const stop = () => stopped({ envoy, xds, authorizer, upstream, folder })
  await envoy.firstReady.catch((error: unknown) => stop().then(() => Promise.reject(error)))
  // Envoy is ready before its first health check of the authorizer has an answer.
  await until('the authorizer to count as healthy', async () => {
    const clusters = await fetch(`http://127.0.0.1:${adminPort}/clusters`)
    return /^ext-authz::.*::health_flags::healthy$/m.test(await clusters.text())
  })
  return { places, adminUrl: `http://127.0.0.1:${adminPort}`, accessLog, authority, checks, envoy, ...logs, stop }
}

/** The log line of the request with this correlation id, once Envoy has written it. */
export function lineOf(envoy: LoneEnvoy, correlationId: string): Promise<LogLine> {
  return until(`the log line of ${correlationId}`, async () =>
    (await envoy.logLines()).find((line) => line['correlation_id'] === correlationId),
  )
}

function logsIn(folder: string): Pick<LoneEnvoy, 'logFiles' | 'logLines' | 'logText'> {
  const logFiles = async () => (await readdir(folder)).sort()
  const logText = (name: string) => readFile(join(folder, name), 'utf8')
  const logLines = async () => {
    const texts = await Promise.all((await logFiles()).map(logText))
    return texts.flatMap((text) => text.split('\n').slice(0, -1)).map((line): LogLine => JSON.parse(line))
  }
  return { logFiles, logLines, logText }
}

async function pushing(compiled: Compiled, accessLog: string): Promise<XdsServer> {
  const log = createLog('xds-server', 'silent')
  const xds = await createXdsServer({ address: '127.0.0.1:0', identifier: 'test/1', log, now: Date.now })
  const { pairs } = await readCertificates(compiled.listeners, new Map(), new Date())
  xds.publish(translate(compiled, pairs, { problemBase: DEFAULT_PROBLEM_BASE, caFile: '/dev/null', accessLog }))
  return xds
}

async function serveChecks(socket: string, decide: Decide): Promise<Server> {
  const server = new Server()
  const health = createHealth('the socket')
  server.addService(authorizationService, {
    Check: (call: ServerUnaryCall<CheckRequest__Output, CheckResponse>, answer: sendUnaryData<CheckResponse>) => {
      Promise.resolve(decide(call.request)).then((response) => answer(null, response), answer)
    },
  })
  grpcHealth(health).addToServer(server)
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  health.move({ at: 'ready' })
  return server
}

async function stopped(all: {
  envoy: RunningPart
  xds: XdsServer
  authorizer: Server
  upstream: EchoUpstream
  folder: string
}): Promise<void> {
  await all.envoy.stop()
  all.xds.close()
  all.authorizer.forceShutdown()
  await all.upstream.close()
  await rm(all.folder, { recursive: true, force: true })
}
