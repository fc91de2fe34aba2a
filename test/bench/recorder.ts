import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { databaseUrls } from '../../runtime/embedded/postgres/database-file.ts'
import { Secret } from '../../runtime/secret.ts'
import { countRows } from '../chaos/rows.ts'
import { childrenOf } from '../support/children.ts'
import { freePorts } from '../support/free-ports.ts'
import { startPostgres } from '../support/postgres.ts'
import { type Backlog, writeBacklog } from './backlog.ts'
import type { Child, Children } from './children.ts'
import { bullets, machine, table } from './markdown.ts'
import { cpuSeconds, cpuSecondsOfEnded, residentMb } from './process-usage.ts'

const RECORDER = join(import.meta.dirname, '../../ext-authz/recorder/recorder-main.ts')
const NODE_NAME = 'bench'
const DRAIN_WITHIN_MS = 300_000
/** Counting rows costs PostgreSQL time, which is measured, too. */
const LOOK_EVERY_MS = 500
/** CPU of the recorder per row, µs (issue 4, "What must be seen" 7). */
const MOST_MICROS = 150

/** What a recorder did with a backlog. */
export interface RecorderRun {
  readonly rows: number
  readonly backlogBytes: number
  /** From its start to the last row. */
  readonly seconds: number
  /** User and system time of the whole process, its start included, µs. */
  readonly recorderMicros: number
  /** Of all processes of PostgreSQL in that time, µs per row. */
  readonly postgresMicros: number
  readonly recorderMb: number
}

/** Gives a fresh recorder a backlog of `rows` requests and measures until the last row is in PostgreSQL. */
export async function benchRecorder(stage: {
  readonly children: Children
  readonly folder: string
  readonly rows: number
  readonly say: (line: string) => void
}): Promise<RecorderRun> {
  const { children, folder, rows, say } = stage
  const backlog = await writeBacklog(folder, NODE_NAME, rows)
  say(`a backlog of ${rows} requests, ${(backlog.bytes / 1e6).toFixed(0)} MB`)
  const postgres = await startPostgres()
  try {
    const urls = await databaseUrls(join(folder, 'database.json'), { port: 0, external: new Secret(postgres.ownerUrl) })
    const before = postgresSeconds(postgres.pid)
    const began = performance.now()
    const recorder = await startRecorder(children, folder, backlog, {
      SALLYPORT_OWNER_URL: urls.owner.reveal(),
      SALLYPORT_WRITER_URL: urls.writer.reveal(),
      SALLYPORT_MAINTAINER_URL: urls.maintainer.reveal(),
      SALLYPORT_READER_URL: urls.reader.reveal(),
    })
    const seconds = await drained({ readerUrl: urls.reader.reveal(), rows, recorder, say }, began)
    const run = {
      rows,
      backlogBytes: backlog.bytes,
      seconds,
      recorderMicros: (cpuSeconds(recorder.pid) / rows) * 1e6,
      postgresMicros: ((postgresSeconds(postgres.pid) - before) / rows) * 1e6,
      recorderMb: residentMb(recorder.pid),
    }
    await children.endOne(recorder)
    return run
  } finally {
    await postgres.end()
  }
}

async function startRecorder(
  children: Children,
  folder: string,
  backlog: Backlog,
  urls: Readonly<Record<string, string>>,
): Promise<Child> {
  const [metrics = 0, admin = 0] = await freePorts(2)
  const directory = join(folder, 'recorder')
  await mkdir(directory, { mode: 0o700 })
  return children.start('the recorder', process.execPath, ['--disable-warning=ExperimentalWarning', RECORDER], {
    SALLYPORT_SPOOL_DIR: backlog.spools,
    SALLYPORT_ACCESS_LOG: backlog.accessLog,
    SALLYPORT_RECORDER_DIR: directory,
    SALLYPORT_NODE: NODE_NAME,
    SALLYPORT_RECORDER_METRICS_PORT: String(metrics),
    // Nobody is there; a log that need not be reopened is not renamed.
    SALLYPORT_ENVOY_ADMIN: `http://127.0.0.1:${admin}`,
    SALLYPORT_LOG_LEVEL: 'warn',
    ...urls,
  })
}

/** Seconds until all rows were there. */
async function drained(
  run: { readerUrl: string; rows: number; recorder: Child; say: (line: string) => void },
  began: number,
): Promise<number> {
  let shown = 0
  for (;;) {
    await pause(LOOK_EVERY_MS)
    const seconds = (performance.now() - began) / 1000
    // The reader's login is made by the recorder, soon after its start.
    const { all } = await countRows(run.readerUrl).catch(() => ({ all: 0 }))
    if (all >= run.rows) return seconds
    if (run.recorder.process.exitCode !== null) throw new Error('the recorder ended before the backlog did')
    if (seconds * 1000 > DRAIN_WITHIN_MS)
      throw new Error(`only ${all} of ${run.rows} rows after ${seconds.toFixed(0)} s`)
    if (seconds > shown + 5) {
      shown = seconds
      run.say(`${all} rows after ${seconds.toFixed(0)} s`)
    }
  }
}

function postgresSeconds(postmaster: number): number {
  const alive = [postmaster, ...childrenOf(postmaster)]
  return cpuSecondsOfEnded(postmaster) + alive.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
}

/** The runs as a page of Markdown. */
export function recorderReport(runs: readonly RecorderRun[]): string {
  const head = ['run', 'rows/s', 'recorder, CPU-µs per row', 'PostgreSQL, CPU-µs per row', 'recorder, MB', 's']
  const rows = runs.map((run, index) => [
    String(index + 1),
    (run.rows / run.seconds).toFixed(0),
    run.recorderMicros.toFixed(1),
    run.postgresMicros.toFixed(1),
    run.recorderMb.toFixed(0),
    run.seconds.toFixed(1),
  ])
  const worst = Math.max(...runs.map(({ recorderMicros }) => recorderMicros))
  const [first] = runs
  return `${[
    '# The recorder on a backlog',
    'Written by `npm run bench -- --recorder --write docs/benchmark-recorder.md`; change the script (test/bench/), not this page.',
    machine(),
    `${first?.rows ?? 0} requests, each with a decision in the spool of one of two workers and a line in Envoy's log, ${((first?.backlogBytes ?? 0) / 1e6).toFixed(0)} MB. Measured from the start of the recorder, its migrations included, to the last row:`,
    table(head, rows),
    bullets([
      `target: at most ${MOST_MICROS} µs of the recorder's CPU per row; the worst run has ${worst.toFixed(1)}: ${worst <= MOST_MICROS ? 'met' : 'not met'}`,
      'PostgreSQL runs on the same cores, with `fsync` off: the disk of this machine is not what is measured',
    ]),
  ].join('\n\n')}\n`
}
