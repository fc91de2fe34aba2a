import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { envoyBinary } from '../../runtime/embedded/envoy-binary.ts'
import { otherCheckout } from './checkout.ts'
import { Children } from './children.ts'
import { type BenchOptions, readOptions } from './options.ts'
import { benchRecorder, type RecorderRun, recorderReport } from './recorder.ts'
import { report } from './report.ts'
import {
  acquaint,
  type Contender,
  LATENCY_SECONDS,
  type Measured,
  orderOf,
  playRound,
  WARM_UP_SECONDS,
} from './rounds.ts'
import { KNOWN, TokenMix } from './tokens.ts'
import { keysOf, type Stage, startUpstream, startVariant, VARIANTS } from './variants.ts'

/** Requests/s that fresh tokens are made for; an authorizer that is faster needs more of them, and the run says so. */
const MOST_REQUESTS_PER_SECOND = 12_000
const FRESH_SHARE = 0.05

const options = readOptions(process.argv.slice(2))
const say = (line: string) => process.stderr.write(`${line}\n`)
const children = new Children()
const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'))

let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true
    void end(130)
  })
}

try {
  if (options.recorder === undefined) await bench(options)
  else await recorderBench(options.recorder, options)
  await end(0)
} catch (error) {
  // Of an interrupted run only broken connections are left to report.
  if (!interrupted) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error))
    await end(1)
  }
}

async function end(code: number): Promise<void> {
  await children.end()
  await rm(folder, { recursive: true, force: true })
  process.exit(code)
}

async function bench({ rounds, seconds, write, profiles, against: folderBefore }: BenchOptions): Promise<void> {
  const envoy = await envoyBinary(say)
  const against = folderBefore === undefined ? undefined : await otherCheckout(folderBefore)
  const tokens = await freshMix(rounds, seconds)
  const issuer = await serveKeys(tokens)
  try {
    const jwksUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`
    const contenders = await startAll({ children, folder, envoy, jwksUrl, profiles, against }, tokens)
    const text = report({ rounds: await play(contenders, rounds, seconds), seconds, against: against?.name })
    process.stdout.write(text)
    if (write !== undefined) await writeFile(resolve(write), text)
  } finally {
    issuer.closeAllConnections()
    issuer.close()
  }
}

async function recorderBench(rows: number, { rounds, write }: BenchOptions): Promise<void> {
  const runs: RecorderRun[] = []
  for (let round = 0; round < rounds; round++) {
    const own = join(folder, String(round))
    await mkdir(own)
    runs.push(await benchRecorder({ children, folder: own, rows, say }))
    await rm(own, { recursive: true })
  }
  const text = recorderReport(runs)
  process.stdout.write(text)
  if (write !== undefined) await writeFile(resolve(write), text)
}

async function freshMix(rounds: number, seconds: number): Promise<TokenMix> {
  const started = performance.now()
  const requests = rounds * (WARM_UP_SECONDS + seconds + LATENCY_SECONDS) * MOST_REQUESTS_PER_SECOND
  const fresh = Math.ceil(requests * FRESH_SHARE)
  const tokens = await TokenMix.make(fresh)
  say(`${KNOWN + fresh} tokens signed in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  return tokens
}

async function serveKeys(tokens: TokenMix): Promise<Server> {
  const body = JSON.stringify(await tokens.keys())
  const server = createServer((_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(body),
  )
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return server
}

async function startAll(stage: Stage, tokens: TokenMix): Promise<Contender[]> {
  const upstreamPort = await startUpstream(stage)
  const contenders: Contender[] = []
  for (const key of keysOf(stage)) {
    const variant = await startVariant(stage, key, upstreamPort)
    await acquaint(variant, tokens.known(), KNOWN)
    contenders.push({ variant, nextHeader: tokens.stream(key === 'A' || key === 'B') })
    say(`${key} ${VARIANTS[key]}: serves`)
  }
  return contenders
}

async function play(contenders: readonly Contender[], rounds: number, seconds: number): Promise<Measured[][]> {
  const played: Measured[][] = []
  for (let round = 0; round < rounds; round++) {
    const measured = await playRound(orderOf(round, contenders), seconds)
    say(
      `round ${round + 1} of ${rounds}: ${measured.map(({ key, authorizerMicros: us }) => `${key} ${us.toFixed(1)} µs`).join(', ')}`,
    )
    played.push(measured)
  }
  return played
}
