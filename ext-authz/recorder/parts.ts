import { join } from 'node:path'
import type { Log } from '../../runtime/log.ts'
import type { SigningKey } from '../audit/signing-key.ts'
import type { AuditMaintainer } from '../store/maintainer.ts'
import type { AuditWriter } from '../store/writer.ts'
import { Alarms } from './alarms.ts'
import { BATCH_FILE } from './batch-file.ts'
import { DeadLetters, LETTERS_FOLDER } from './dead-letters.ts'
import type { RecorderMetrics } from './metrics.ts'
import { Outbox } from './outbox.ts'
import { loudness, type Patience } from './patience.ts'
import { Reserve } from './reserve.ts'
import { passesByItself, Sender } from './sender.ts'

export interface RecorderOptions {
  readonly node: string
  readonly spoolFolder: string
  /** The live access log, an absolute path. */
  readonly accessLog: string
  /** The recorder's own folder. */
  readonly folder: string
  readonly key: SigningKey
  readonly writer: AuditWriter
  readonly maintainer: AuditMaintainer
  /** A batch is sent when it has so many rows, or when its first one is so old (AU-3). `most`: while there is a backlog; default 2,000. */
  readonly batch: { readonly rows: number; readonly ms: number; readonly most?: number }
  /** What may wait for its completion, in memory. Default 50,000 decisions and 64 MiB. */
  readonly waiting?: { readonly decisions: number; readonly bytes: number }
  readonly metrics: RecorderMetrics
  readonly log: Log
  /** Epoch ms. */
  readonly now: () => number
  readonly random: () => number
}

/** Why nothing can be written, and since when (epoch ms). */
export interface Stuck {
  readonly because: string
  readonly since: number
}

/** In the recorder's folder: takes up the room of its next batch. */
const RESERVE_FILE = 'reserve'

/** What a recorder is put together from. */
export interface Parts {
  readonly alarms: Alarms
  readonly letters: DeadLetters
  readonly patience: Patience
  readonly outbox: Outbox
  readonly cut: AbortController
  readonly progress: Progress
}

/** Whether writing goes on. */
export interface Progress {
  stuck: Stuck | undefined
}

/** Opens the recorder's folder. Throws where what the recorder before had kept was changed, or nothing can be written. */
export async function openParts(options: RecorderOptions): Promise<Parts> {
  const { folder, node, key, writer, maintainer, log, now, random, metrics } = options
  const progress: Progress = { stuck: undefined }
  const cut = new AbortController()
  const alarms = new Alarms(metrics, log, now)
  const letters = await DeadLetters.open(join(folder, LETTERS_FOLDER), node)
  const waits = (error: unknown) => {
    metrics.error(error)
    const because = error instanceof Error ? error.message : String(error)
    progress.stuck = { because, since: progress.stuck?.since ?? now() }
  }
  const deadLetter = ({ sqlstate, message }: { readonly sqlstate: string; readonly message: string }) =>
    alarms.trouble(
      'dead-letter',
      { sqlstate, because: message },
      'PostgreSQL refused a row; see sallyport audit replay',
    )
  const patience: Patience = {
    signal: cut.signal,
    random,
    passes: passesByItself,
    told: (err, waitMs) => {
      waits(err)
      log[loudness(waitMs)]({ err, waitMs }, 'nothing can be written now; trying again')
    },
    worked: () => {
      progress.stuck = undefined
    },
  }
  const sender = new Sender({
    node,
    writer,
    maintainer,
    letters,
    patience,
    now,
    deadLetter,
  })
  const rootTaken = (err: Error) =>
    alarms.trouble(
      'root-taken',
      { err },
      'another recorder uses this node name, or this one lost a batch; going on behind',
    )
  const file = join(folder, BATCH_FILE)
  const reserve = new Reserve(join(folder, RESERVE_FILE))
  const outbox = await Outbox.open({ file, reserve, node, key, writer, sender, patience, rootTaken, now })
  return { alarms, letters, patience, outbox, cut, progress }
}
