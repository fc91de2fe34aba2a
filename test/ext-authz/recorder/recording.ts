import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { onTestFinished } from 'vitest'
import { openSigningKey } from '../../../ext-authz/audit/signing-key.ts'
import { Spool } from '../../../ext-authz/audit/spool/spool.ts'
import { RecorderMetrics } from '../../../ext-authz/recorder/metrics.ts'
import type { RecorderOptions } from '../../../ext-authz/recorder/parts.ts'
import { Recorder } from '../../../ext-authz/recorder/recorder.ts'
import { LIVE_LOG } from '../../../runtime/access-log-names.ts'
import { createLog } from '../../../runtime/log.ts'

/** A node's folders, as `up` lays them out, with hands to write into them. */
export interface TestNode {
  /** Its name. */
  readonly node: string
  readonly spoolFolder: string
  readonly accessLog: string
  readonly logFolder: string
  readonly folder: string
  /** A worker's spool, opened when first asked for. */
  spool(worker: number): Promise<Spool>
  /** Writes a decision and gives its event id. */
  decide(json: string, worker?: number): Promise<string>
  /** Appends lines to the live log. */
  log(...lines: readonly string[]): void
  /** A recorder on this node's folders; closed at the end of the test. */
  recorder(options: Pick<RecorderOptions, 'writer' | 'maintainer'> & Partial<RecorderOptions>): Promise<Recorder>
}

export const TEST_NODE = 'node-1'

/** Makes the folders of a node; removed at the end of the test. */
export function testNode(name = TEST_NODE, segmentBytes = 2 ** 20): TestNode {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-recorder-'))
  const [spoolFolder, logFolder, folder] = ['spool', 'access', 'recorder'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [spoolFolder, logFolder, folder]) mkdirSync(each)
  const accessLog = join(logFolder, LIVE_LOG)
  const spools = new Map<number, Promise<Spool>>()
  const log = createLog('test', 'silent')
  onTestFinished(async () => {
    for (const spool of spools.values()) await (await spool).close()
    rmSync(root, { recursive: true, force: true })
  })
  const spool = (worker: number) => {
    const opened =
      spools.get(worker) ??
      Spool.open({
        folder: join(spoolFolder, String(worker)),
        node: name,
        worker,
        boot: `boot${worker}`,
        mode: 'group',
        segmentBytes,
        segmentMs: 60_000,
        log,
        now: Date.now,
      })
    spools.set(worker, opened)
    return opened
  }
  return {
    node: name,
    spoolFolder,
    logFolder,
    accessLog,
    folder,
    spool,
    decide: async (json, worker = 0) => {
      const opened = await spool(worker)
      return new Promise((resolve, reject) => {
        opened.append(json, (event) => (event === undefined ? reject(new Error('not written')) : resolve(event)))
      })
    },
    log: (...lines) => appendFileSync(accessLog, lines.map((line) => `${line}\n`).join('')),
    recorder: async (options) => {
      const recorder = await Recorder.open({
        node: name,
        spoolFolder,
        accessLog,
        folder,
        key: await openSigningKey(folder),
        batch: { rows: 100, ms: 200 },
        metrics: new RecorderMetrics(new Registry()),
        log,
        now: Date.now,
        random: () => 0.5,
        ...options,
      })
      onTestFinished(() => recorder.close(0))
      return recorder
    },
  }
}
