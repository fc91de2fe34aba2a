import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { AnswerOptions } from '../../ext-authz/answer.ts'
import type { AuditMark, Decision } from '../../ext-authz/audit/decision.ts'
import { SPOOL_FILES, type SpoolFiles } from '../../ext-authz/audit/spool/files.ts'
import { SpoolReader } from '../../ext-authz/audit/spool/reader.ts'
import { Spool } from '../../ext-authz/audit/spool/spool.ts'
import { createCheck } from '../../ext-authz/check.ts'
import { KeySets } from '../../ext-authz/identity/key-sets.ts'
import { Memo } from '../../ext-authz/memo.ts'
import { CheckMetrics } from '../../ext-authz/metrics.ts'
import type { CheckParts } from '../../ext-authz/request.ts'
import { decode, encode } from '../../protos/auth.ts'

/** The Check method on its own, real but for the socket, with a clock the test can move and a spool in a folder of its own. */
export function checkBench(
  options: {
    memo?: number
    /** Of the kept keys; one of its own by default. */
    folder?: string
    quota?: AnswerOptions['quota']
    /** What the spool writes to, while `full` is true, has no room. */
    disk?: { full: boolean }
    /** Stands between the Check and the spool. */
    between?: (spool: AnswerOptions['spool']) => AnswerOptions['spool']
    log?: AnswerOptions['log']
  } = {},
) {
  const clock = { offset: 0 }
  const registry = new Registry()
  const now = () => Date.now() + clock.offset
  const log = options.log ?? pino({ level: 'silent' })
  const own = mkdtempSync(join(tmpdir(), 'sallyport-check-'))
  const spoolFolder = join(own, 'spool')
  const keys = new KeySets({ folder: options.folder ?? join(own, 'keys'), log, now, random: () => 0.5 })
  const opening = openSpool(spoolFolder, options.disk)
  const opened = opening.then((spool) =>
    createCheck({
      keys,
      memo: new Memo(options.memo),
      metrics: new CheckMetrics(registry),
      log,
      now,
      encode: (response) => encode('envoy.service.auth.v3.CheckResponse', response),
      style: { base: 'https://waooaw.com/errors/' },
      showFaults: false,
      spool: options.between?.(spool) ?? spool,
      quota: options.quota ?? { level: () => 'ok' },
    }),
  )
  return {
    clock,
    keys,
    registry,
    spoolFolder,
    /** What Envoy would do with the answer. */
    ask: async (request: CheckParts) => {
      const check = await opened
      return answerOf(await new Promise((send, fail) => check(request, { send, fail })))
    },
    /** Every decision that was written so far, in order. */
    records: () => recordsOf(spoolFolder),
    close: async () => {
      keys.close()
      await (await opening).close()
      await rm(own, { recursive: true, force: true })
    },
  }
}

function openSpool(folder: string, disk = { full: false }): Promise<Spool> {
  const fs: SpoolFiles = {
    ...SPOOL_FILES,
    write(fd, bytes, position) {
      if (disk.full) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      return SPOOL_FILES.write(fd, bytes, position)
    },
  }
  return Spool.open({
    folder,
    fs,
    node: 'test-node',
    worker: 0,
    boot: '0123456789ab',
    mode: 'group',
    segmentBytes: 1 << 26,
    segmentMs: 60_000,
    log: pino({ level: 'silent' }),
    now: Date.now,
  })
}

/** A decision with the event id that its place in the spool gives it. */
export interface RecordedDecision extends Decision {
  readonly event: string
}

async function recordsOf(folder: string): Promise<RecordedDecision[]> {
  const reader = new SpoolReader(folder, undefined)
  const found: RecordedDecision[] = []
  for (;;) {
    const records = await reader.read({ records: 1000, bytes: 1 << 24 })
    if (records.length === 0) return found
    for (const { event, json, kind } of records) {
      if (kind === 'decision') found.push({ ...JSON.parse(json.toString('utf8')), event })
    }
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
  /** Dynamic metadata for Envoy's log. */
  readonly mark: AuditMark
  /** The whole answer as text, for what must not be in it. */
  readonly text: string
}

function answerOf(message: Buffer | string): Answer {
  const bytes = typeof message === 'string' ? Buffer.from(message, 'latin1') : message
  const response = decode('envoy.service.auth.v3.CheckResponse', bytes)
  const { denied_response: denied, ok_response: ok, dynamic_metadata: metadata } = response
  const problem: Record<string, unknown> = denied?.body ? JSON.parse(denied.body) : {}
  const marks = Object.entries(metadata?.fields ?? {}).map(([name, value]) => [name, value.stringValue])
  return {
    status: denied ? Number(problem['status']) : 200,
    slug: denied ? String(problem['type']).replace('https://waooaw.com/errors/', '') : 'pass',
    problem,
    headers: fields(denied ? denied.headers : ok?.headers),
    removed: ok?.headers_to_remove ?? [],
    clientHeaders: fields(ok?.response_headers_to_add),
    mark: Object.fromEntries(marks),
    text: bytes.toString('latin1'),
  }
}

function fields(
  options: readonly { header?: { key?: string; value?: string } | null }[] | undefined,
): Record<string, string> {
  return Object.fromEntries((options ?? []).map(({ header }) => [header?.key ?? '', header?.value ?? '']))
}
