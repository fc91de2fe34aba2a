import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { createCheck } from '../../ext-authz/check.ts'
import { KeySets } from '../../ext-authz/identity/key-sets.ts'
import { Memo } from '../../ext-authz/memo.ts'
import { CheckMetrics } from '../../ext-authz/metrics.ts'
import type { CheckParts } from '../../ext-authz/request.ts'
import { decode, encode } from '../../protos/auth.ts'

/** The Check method on its own, real but for the socket, with a clock the test can move. */
export function checkBench(options: { memo?: number; folder?: string } = {}) {
  const clock = { offset: 0 }
  const registry = new Registry()
  const now = () => Date.now() + clock.offset
  const log = pino({ level: 'silent' })
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'sallyport-keys-'))
  const keys = new KeySets({ folder, log, now, random: () => 0.5 })
  const check = createCheck({
    keys,
    memo: new Memo(options.memo),
    metrics: new CheckMetrics(registry),
    log,
    now,
    encode: (response) => encode('envoy.service.auth.v3.CheckResponse', response),
    style: { base: 'https://waooaw.com/errors/' },
    showFaults: false,
  })
  return {
    clock,
    keys,
    registry,
    /** What Envoy would do with the answer. */
    ask: async (request: CheckParts) => answerOf(await check(request)),
    close: () => keys.close(),
  }
}

/** A CheckResponse in the words of a test. */
export interface Answer {
  readonly status: number
  readonly slug: string
  readonly problem: Record<string, unknown>
  /** Headers for the upstream on a pass, for the client on a denial. */
  readonly headers: Record<string, string>
  readonly removed: readonly string[]
  readonly clientHeaders: Record<string, string>
}

function answerOf(bytes: Buffer): Answer {
  const response = decode('envoy.service.auth.v3.CheckResponse', bytes)
  const { denied_response: denied, ok_response: ok } = response
  const problem: Record<string, unknown> = denied?.body ? JSON.parse(denied.body) : {}
  return {
    status: denied ? Number(problem['status']) : 200,
    slug: denied ? String(problem['type']).replace('https://waooaw.com/errors/', '') : 'pass',
    problem,
    headers: fields(denied ? denied.headers : ok?.headers),
    removed: ok?.headers_to_remove ?? [],
    clientHeaders: fields(ok?.response_headers_to_add),
  }
}

function fields(
  options: readonly { header?: { key?: string; value?: string } | null }[] | undefined,
): Record<string, string> {
  return Object.fromEntries((options ?? []).map(({ header }) => [header?.key ?? '', header?.value ?? '']))
}
