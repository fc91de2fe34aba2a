import { setTimeout as pause } from 'node:timers/promises'
import { BENCH_PATH } from './envoy-config.ts'
import { type LoadResult, runLoad } from './load.ts'
import { cpuMicros, residentMb } from './process-usage.ts'
import { quantile } from './statistics.ts'
import type { Variant, VariantKey } from './variants.ts'

/** Connections of the throughput part; the latency part has one. */
export const CONNECTIONS = 32
/** Lengths of the parts whose length nobody chooses, s. */
export const WARM_UP_SECONDS = 1
export const LATENCY_SECONDS = 2
/** Variants take turns of this length: what slows the machine for a while then slows all of them. */
export const SLICE_SECONDS = 0.5
/** What a variant puts off (a sync, a log flush) is done after this; it counts as its own and falls into nobody else's slice. */
export const SETTLE_MS = 120

/** What one variant did in one round. */
export interface Measured {
  readonly key: VariantKey
  readonly requestsPerSecond: number
  /** CPU of the process per request, µs, user and system. */
  readonly envoyMicros: number
  /** NaN where nobody is asked. */
  readonly authorizerMicros: number
  /** With one connection, ms. */
  readonly p50: number
  readonly p99: number
  /** Resident memory at the end of the round, MB. */
  readonly envoyMb: number
  readonly authorizerMb: number
}

/** A variant with the tokens that its requests carry. */
export interface Contender {
  readonly variant: Variant
  readonly nextHeader: () => string
}

/** Order of a slice: every other one is the reverse of the one before, and each pair starts one further, so that places are shared. */
export function orderOf<T>(slice: number, items: readonly T[]): T[] {
  const from = Math.floor(slice / 2) % items.length
  const rotated = [...items.slice(from), ...items.slice(0, from)]
  return slice % 2 === 0 ? rotated : rotated.reverse()
}

/** What a variant did in the slices of a round so far. */
interface Sum {
  readonly contender: Contender
  requests: number
  seconds: number
  envoyMicros: number
  authorizerMicros: number
  readonly latencies: number[]
}

/** One round: warm-up, then throughput and latency in slices that alternate. An answer that is not 200 fails the run. */
export async function playRound(contenders: readonly Contender[], seconds: number): Promise<Measured[]> {
  for (const contender of contenders) await load(contender, CONNECTIONS, WARM_UP_SECONDS)
  const sums = contenders.map(
    (contender): Sum => ({ contender, requests: 0, seconds: 0, envoyMicros: 0, authorizerMicros: 0, latencies: [] }),
  )
  for (let slice = 0; slice < seconds / SLICE_SECONDS; slice++) {
    for (const sum of orderOf(slice, sums)) await busySlice(sum)
  }
  for (let slice = 0; slice < LATENCY_SECONDS / SLICE_SECONDS; slice++) {
    for (const { contender, latencies } of orderOf(slice, sums)) {
      for (const latency of (await load(contender, 1, SLICE_SECONDS)).latencies) latencies.push(latency)
    }
  }
  return sums.map(measured)
}

async function busySlice(sum: Sum): Promise<void> {
  const { variant } = sum.contender
  const before = usage(variant)
  const { requests, seconds } = await load(sum.contender, CONNECTIONS, SLICE_SECONDS)
  const after = usage(variant)
  sum.requests += requests
  sum.seconds += seconds
  sum.envoyMicros += after.envoy - before.envoy
  sum.authorizerMicros += after.authorizer - before.authorizer
}

function measured({ contender: { variant }, requests, seconds, latencies, ...cpu }: Sum): Measured {
  const sorted = latencies.toSorted((a, b) => a - b)
  return {
    key: variant.key,
    requestsPerSecond: requests / seconds,
    envoyMicros: cpu.envoyMicros / requests,
    authorizerMicros: cpu.authorizerMicros / requests,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    envoyMb: residentMb(variant.envoy),
    authorizerMb: variant.authorizer === undefined ? Number.NaN : residentMb(variant.authorizer),
  }
}

/** Sends each of `requests` tokens once, so that the first round does not find tokens that the others know. */
export async function acquaint(variant: Variant, nextHeader: () => string, requests: number): Promise<void> {
  const all = { port: variant.port, path: BENCH_PATH, connections: CONNECTIONS, seconds: 60, requests, nextHeader }
  const { requests: sent } = allGood(variant, await runLoad(all))
  if (sent < requests) throw new Error(`${variant.key}: only ${sent} of ${requests} first requests within a minute`)
}

async function load({ variant, nextHeader }: Contender, connections: number, seconds: number): Promise<LoadResult> {
  const result = await runLoad({ port: variant.port, path: BENCH_PATH, connections, seconds, nextHeader })
  await pause(SETTLE_MS)
  return allGood(variant, result)
}

function usage({ envoy, authorizer }: Variant) {
  return { envoy: cpuMicros(envoy), authorizer: authorizer === undefined ? Number.NaN : cpuMicros(authorizer) }
}

function allGood({ key }: Variant, result: LoadResult): LoadResult {
  if (Object.keys(result.unexpected).length === 0) return result
  throw new Error(`${key}: every answer must be 200; got also, by status: ${JSON.stringify(result.unexpected)}`)
}
