import { join } from 'node:path'
import type { Compiled } from '../policies/compile.ts'
import { type DefinitionProblem, formatProblem } from '../policies/definition-problem.ts'
import { loadDefinitions } from '../policies/load.ts'
import type { Log } from '../runtime/log.ts'
import { type CertificatePair, readCertificates } from './certificates.ts'
import type { Watched } from './looks.ts'
import { newestWins } from './newest-wins.ts'
import type { Snapshot } from './snapshot.ts'
import { TranslationError } from './translate/check.ts'
import { type TranslateOptions, translate } from './translate/snapshot.ts'

/** What became of the newest definitions; `/status` shows it. */
export type DefinitionState =
  | { readonly at: 'loading' }
  | { readonly at: 'live'; readonly revision: string; readonly since: Date; readonly warnings: readonly string[] }
  | {
      readonly at: 'refused'
      readonly since: Date
      /** What is wrong, ready for a terminal. */
      readonly reasons: readonly string[]
      readonly problems: readonly DefinitionProblem[]
      /** What runs on; absent: nothing was ever published. */
      readonly serving?: string
    }

/** What live definitions are made of, and whom they tell. */
export interface DefinitionOptions {
  /** Folder of definitions. */
  readonly folder: string
  /** File of bindings. */
  readonly bindings: string | undefined
  readonly translate: TranslateOptions
  readonly log: Log
  readonly publish: (snapshot: Snapshot) => void
  /** Resolves when every connected Envoy runs what was published, or at the deadline, with how many do. */
  readonly settled: (withinMs: number) => Promise<{ readonly acknowledged: number; readonly connected: number }>
  /** Hears which files the newest load read. */
  readonly watch: (watched: Watched) => void
}

/** The definitions as they run: loaded one at a time, published only when every check holds. */
export interface LiveDefinitions {
  state(): DefinitionState
  /** Why the newest definitions do not run, ready for a terminal; undefined when they do. */
  error(): string | undefined
  /** The certificates that are served, by name. */
  certificates(): ReadonlyMap<string, CertificatePair>
  /** Loads again, after the load that is under way; that one is given up once it is known to be stale. */
  reload(): void
  /** Waits for the load under way. */
  close(): Promise<void>
}

interface Accepted {
  readonly snapshot: Snapshot
  readonly certificates: ReadonlyMap<string, CertificatePair>
  readonly warnings: readonly string[]
  readonly watched: Watched
}

interface Refused {
  readonly reasons: readonly string[]
  readonly problems: readonly DefinitionProblem[]
}

/** Starts with nothing loaded; the first `reload()` begins. Invalid definitions change nothing and are explained (XD-3). */
export function liveDefinitions(options: DefinitionOptions): LiveDefinitions {
  let state: DefinitionState = { at: 'loading' }
  let certificates: ReadonlyMap<string, CertificatePair> = new Map()
  let serving: string | undefined

  const refuse = (refused: Refused) => {
    state = { at: 'refused', since: new Date(), ...refused, ...(serving !== undefined && { serving }) }
    explain(options.log, refused, serving)
  }
  const accept = (accepted: Accepted, askedAt: number) => {
    certificates = accepted.certificates
    serving = accepted.snapshot.revision
    state = { at: 'live', revision: serving, since: new Date(), warnings: accepted.warnings }
    for (const warning of accepted.warnings) options.log.error(`${warning}; the pair before it is served on`)
    options.watch(accepted.watched)
    options.publish(accepted.snapshot)
    void announce(options, serving, askedAt)
  }
  const loads = newestWins(async (signal, askedAt) => {
    const outcome = await load(options, certificates, signal).catch((err: unknown) =>
      signal.aborted ? undefined : fault(options.log, err),
    )
    if (signal.aborted || outcome === undefined) return
    if ('reasons' in outcome) refuse(outcome)
    else accept(outcome, askedAt)
  })
  return {
    state: () => state,
    error: () => (state.at === 'refused' ? state.reasons.join('\n\n') : undefined),
    certificates: () => certificates,
    reload: loads.ask,
    close: loads.close,
  }
}

async function load(
  { folder, bindings, translate: deployment }: DefinitionOptions,
  live: ReadonlyMap<string, CertificatePair>,
  signal: AbortSignal,
): Promise<Accepted | Refused> {
  const loaded = await loadDefinitions(folder, { ...(bindings !== undefined && { bindings }), signal })
  if (!loaded.ok) return { reasons: loaded.problems.map(formatProblem), problems: loaded.problems }
  const { definitions } = loaded
  const { pairs, problems } = await readCertificates(definitions.listeners, live, new Date())
  const warnings = problems.map(({ message }) => message)
  try {
    const snapshot = translate(definitions, pairs, deployment)
    return { snapshot, certificates: pairs, warnings, watched: watchedFor(folder, bindings, definitions) }
  } catch (error) {
    if (!(error instanceof TranslationError)) throw error
    return { reasons: [...warnings, ...error.mistakes], problems: [] }
  }
}

/** What can change the definitions, before any was loaded and after. */
export function watchedFor(folder: string, bindings: string | undefined, definitions?: Compiled): Watched {
  const pairs = (definitions?.listeners ?? []).flatMap(({ certificate }) => certificate ?? [])
  return {
    folders: [folder],
    files: [
      ...TABLES,
      ...(bindings === undefined ? [] : [bindings]),
      ...pairs.flatMap(({ certificate, key }) => [certificate, key]),
    ],
  }
}

/** How long Envoys may take to acknowledge before it is worth a warning, ms; a name that has to be looked up takes longest. */
const ACKNOWLEDGE_MS = 20_000

/** Tables that definitions refer to; evaluated anew with them. */
const TABLES = ['issuers.ts', 'listeners.ts'].map((file) => join(import.meta.dirname, '..', 'policies', file))

/** A fault of ours, not of the definitions: it must not take the running configuration with it either. */
function fault(log: Log, err: unknown): Refused {
  log.error({ err }, 'loading the definitions failed inside xds-server')
  return { reasons: [`xds-server failed: ${err instanceof Error ? err.message : String(err)}`], problems: [] }
}

function explain(log: Log, { reasons }: Refused, serving: string | undefined): void {
  for (const reason of reasons) log.error(reason)
  const found = reasons.length === 1 ? '1 problem' : `${reasons.length} problems`
  const effect = serving === undefined ? 'nothing is served yet' : `revision ${serving} goes on unchanged`
  log.warn({ serving }, `${found} in the definitions: ${effect}`)
}

async function announce({ log, settled }: DefinitionOptions, revision: string, askedAt: number): Promise<void> {
  const { acknowledged, connected } = await settled(ACKNOWLEDGE_MS)
  const ms = Math.round(performance.now() - askedAt)
  const facts = { revision, ms, acknowledged, connected }
  if (connected === 0) log.info(facts, `ready: revision ${revision}, no Envoy is connected yet`)
  else if (acknowledged === connected) log.info(facts, `live: revision ${revision} in ${ms} ms`)
  else
    log.warn(facts, `revision ${revision}: ${acknowledged} of ${connected} Envoys run it, see /status for the others`)
}
