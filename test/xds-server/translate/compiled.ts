import type {
  Compiled,
  CompiledGateway,
  CompiledListener,
  CompiledRoute,
  CompiledUpstream,
} from '../../../policies/compile.ts'

/** A listener on loopback without TLS. */
export function listener(changes: Partial<CompiledListener> = {}): CompiledListener {
  return { name: 'public', address: '127.0.0.1', port: 8080, redirectToHttps: false, trustedHops: 0, ...changes }
}

/** An upstream at an IP literal. */
export function upstream(name: string, changes: Partial<CompiledUpstream> = {}): CompiledUpstream {
  return {
    name,
    host: '127.0.0.1',
    port: 9001,
    authority: name,
    tls: false,
    http2: false,
    connectTimeoutMs: 2_000,
    forwardCredentials: false,
    source: `gateway.ts:4`,
    ...changes,
  }
}

/** A GET route at this path to `plant`; with `split` trial users go to `sandbox`. */
export function route(
  path: string,
  { split = false, ...changes }: Partial<CompiledRoute> & { split?: boolean } = {},
): CompiledRoute {
  const name = changes.name ?? `read ${path}`
  return {
    name,
    methods: ['GET'],
    path,
    target: split ? { paid: 'plant', trial: 'sandbox' } : { paid: 'plant', trial: 'plant' },
    timeoutMs: 15_000,
    retries: { attempts: 1, on: ['connect-failure', 'refused-stream', 'reset-before-request'] },
    headers: {},
    policy: {
      v: 1,
      gateway: 'shop',
      type: 'CP',
      route: name,
      source: 'gateway.ts:9',
      path,
      identity: { kind: 'open', reason: 'a test without callers' },
      split,
      upgradeUrl: 'https://example.com/upgrade',
      audit: { onFailure: 'degrade' },
    },
    source: 'gateway.ts:9',
    ...changes,
  }
}

/** A gateway on every host of `public`, with a production and a sandbox upstream. */
export function gateway(routes: readonly CompiledRoute[], changes: Partial<CompiledGateway> = {}): CompiledGateway {
  return {
    name: 'shop',
    type: 'CP',
    listener: 'public',
    hosts: ['*'],
    upstreams: [upstream('plant'), upstream('sandbox', { port: 9002 })],
    routes,
    source: 'gateway.ts:1',
    ...changes,
  }
}

/** Everything of one gateway on one plain listener. */
export function compiled(routes: readonly CompiledRoute[]): Compiled {
  return { listeners: [listener()], gateways: [gateway(routes)] }
}
