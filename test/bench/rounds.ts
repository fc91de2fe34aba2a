import { BENCH_PATH } from './envoy-config.ts'
import { type LoadResult, runLoad } from './load.ts'
import { cpuSeconds, residentMb } from './process-usage.ts'
import { quantile } from './statistics.ts'
import type { Variant, VariantKey } from './variants.ts'

/** Connections of the throughput part; the latency part has one. */
export const CONNECTIONS = 32
/** Lengths of the parts whose length nobody chooses, s. */
export const WARM_UP_SECONDS = 1
export const LATENCY_SECONDS = 2

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
  /** Resident memory just after the load, MB. */
  readonly envoyMb: number
  readonly authorizerMb: number
}

/** A variant with the tokens that its requests carry. */
export interface Contender {
  readonly variant: Variant
  readonly nextHeader: () => string
}

/** Order of a round: every other one is the reverse of the one before, and each pair starts one further, so that places are shared. */
export function orderOf<T>(round: number, items: readonly T[]): T[] {
  const from = Math.floor(round / 2) % items.length
  const rotated = [...items.slice(from), ...items.slice(0, from)]
  return round % 2 === 0 ? rotated : rotated.reverse()
}

/** One variant's part of one round: warm-up, throughput, latency. An answer that is not 200 fails the run. */
export async function measure({ variant, nextHeader }: Contender, seconds: number): Promise<Measured> {
  const load = async (connections: number, duration: number) =>
    allGood(
      variant,
      await runLoad({ port: variant.port, path: BENCH_PATH, connections, seconds: duration, nextHeader }),
    )
  await load(CONNECTIONS, WARM_UP_SECONDS)
  const before = usage(variant)
  const busy = await load(CONNECTIONS, seconds)
  const after = usage(variant)
  const alone = await load(1, LATENCY_SECONDS)
  return {
    key: variant.key,
    requestsPerSecond: busy.requests / busy.seconds,
    envoyMicros: ((after.envoy - before.envoy) / busy.requests) * 1e6,
    authorizerMicros: ((after.authorizer - before.authorizer) / busy.requests) * 1e6,
    p50: quantile(alone.latencies, 0.5),
    p99: quantile(alone.latencies, 0.99),
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

function usage({ envoy, authorizer }: Variant) {
  return { envoy: cpuSeconds(envoy), authorizer: authorizer === undefined ? Number.NaN : cpuSeconds(authorizer) }
}

function allGood({ key }: Variant, result: LoadResult): LoadResult {
  if (Object.keys(result.unexpected).length === 0) return result
  throw new Error(`${key}: every answer must be 200; got also, by status: ${JSON.stringify(result.unexpected)}`)
}
