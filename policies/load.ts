import { join } from 'node:path'
import { type Compiled, compile } from './compile.ts'
import { compareProblems, type DefinitionProblem } from './definition-problem.ts'
import { type BoundFile, checkBindings, openBindings, readBindings, resolvePaths } from './loading/bindings.ts'
import { checkAudits } from './loading/checks/audits.ts'
import { checkClashes, type ReportIn } from './loading/checks/clashes.ts'
import { checkGateway } from './loading/checks/gateway.ts'
import { checkPorts } from './loading/checks/ports.ts'
import { POLICIES_FOLDER, readFolder, readSource, type SourceText } from './loading/definition-files.ts'
import { DEFAULT_LISTENER, type Definition, type Tables } from './loading/definitions.ts'
import { type Evaluation, evaluate } from './loading/evaluate.ts'
import { faultProblem } from './loading/faults.ts'
import { gatewayProblem, tableProblem } from './loading/problem-place.ts'
import { isRecord, type Reader, type Report } from './loading/reading.ts'
import { readGateway } from './loading/schema.ts'
import { parseSource, type Source } from './loading/source.ts'
import { readIssuers, readListeners } from './loading/table-schema.ts'

export interface LoadOptions {
  /** JSON file of what the deployment binds (bindings.ts). Without it addresses stay as written and TLS has no files. */
  readonly bindings?: string | undefined
  /** Ends the load early; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Time for the evaluation of all files, ms. Default 5,000; one file may use half of it. */
  readonly deadlineMs?: number | undefined
}

export type LoadResult =
  /** `files`: the definitions, as messages show them. */
  | { readonly ok: true; readonly definitions: Compiled; readonly files: readonly string[] }
  /** By file and line; at least one. */
  | { readonly ok: false; readonly problems: readonly DefinitionProblem[] }

/** The tables that definitions name things of; evaluated with them, so that an edit counts at the next load. */
const TABLES = { issuers: ['issuers.ts', 'ISSUERS'], listeners: ['listeners.ts', 'LISTENERS'] } as const

type Collect = (...problems: DefinitionProblem[]) => void

interface ParsedTables {
  readonly issuers: Source
  readonly listeners: Source
}

/**
 * Loads a folder of definitions: evaluates them in a locked-down process (design.md §1.7), checks them, and compiles
 * them with every default filled in. Either all is right, or every problem that can be seen is told; nothing between.
 *
 * Rejects only when aborted, or when no process can be started.
 */
export async function loadDefinitions(folder: string, options: LoadOptions = {}): Promise<LoadResult> {
  const { signal, deadlineMs = 5_000 } = options
  const problems: DefinitionProblem[] = []
  const collect: Collect = (...found) => {
    problems.push(...found)
  }
  const { path, definitions: texts, problems: unread } = await readFolder(folder)
  collect(...unread)
  const sources = texts.map((text) => accept(parseSource(text), collect)).filter((source) => source !== undefined)
  const tableSources = await openTables(collect)
  const bound = options.bindings === undefined ? undefined : await bind(options.bindings, collect)
  if (tableSources !== undefined && sources.length > 0) {
    const all = [tableSources.issuers, tableSources.listeners, ...sources]
    const evaluation = await evaluate(path, ordersFor(tableSources, sources), deadlineMs, signal)
    await collectFaults(all, evaluation, collect)
    const tables = readTables(tableSources, evaluation, collect)
    const definitions = readAll(sources, evaluation, collect)
    if (tables !== undefined) {
      checkAll(definitions, tables, bound, tableSources, collect)
      if (problems.length === 0) {
        const files = sources.map(({ shown }) => shown)
        return { ok: true, definitions: compile(definitions, tables, bound?.bindings), files }
      }
    }
  }
  return { ok: false, problems: distinct(problems).sort(compareProblems) }
}

/** A mistake in a file that several definitions import is still one mistake. */
function distinct(problems: readonly DefinitionProblem[]): DefinitionProblem[] {
  const byText = new Map(problems.map((problem) => [JSON.stringify(problem), problem]))
  return [...byText.values()]
}

function accept<T extends object>(found: T | DefinitionProblem, collect: Collect): T | undefined {
  if (!('code' in found)) return found
  collect(found)
  return undefined
}

async function openTables(collect: Collect): Promise<ParsedTables | undefined> {
  const open = async (file: string): Promise<Source | undefined> => {
    const text: SourceText | undefined = accept(await readSource(join(POLICIES_FOLDER, file)), collect)
    return text === undefined ? undefined : accept(parseSource(text), collect)
  }
  const [issuers, listeners] = await Promise.all([open(TABLES.issuers[0]), open(TABLES.listeners[0])])
  return issuers === undefined || listeners === undefined ? undefined : { issuers, listeners }
}

async function bind(file: string, collect: Collect): Promise<BoundFile | undefined> {
  const source = accept(await openBindings(file), collect)
  if (source === undefined) return undefined
  const report: Report = (finding) => collectAs(collect, tableProblem(source, 'default', finding))
  const bindings = readBindings(JSON.parse(source.text), [], report)
  return bindings === undefined ? undefined : { bindings: resolvePaths(bindings, source), source }
}

function collectAs(collect: Collect, problem: DefinitionProblem): undefined {
  collect(problem)
}

function ordersFor(tables: ParsedTables, sources: readonly Source[]) {
  return [
    { file: tables.issuers.path, exported: TABLES.issuers[1] },
    { file: tables.listeners.path, exported: TABLES.listeners[1] },
    ...sources.map(({ path }) => ({ file: path, exported: 'default' })),
  ]
}

async function collectFaults(sources: readonly Source[], { faults }: Evaluation, collect: Collect): Promise<void> {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  for (const { file, fault } of faults) {
    const source = byPath.get(file)
    if (source !== undefined) collect(await faultProblem(source, fault))
  }
}

function readTables(sources: ParsedTables, { values }: Evaluation, collect: Collect): Tables | undefined {
  const read = <T>(source: Source, exported: string, reader: Reader<T>): T | undefined => {
    if (!values.has(source.path)) return undefined
    const report: Report = (finding) => collectAs(collect, tableProblem(source, exported, finding))
    return reader(values.get(source.path), [], report)
  }
  const issuers = read(sources.issuers, TABLES.issuers[1], readIssuers)
  const listeners = read(sources.listeners, TABLES.listeners[1], readListeners)
  return issuers === undefined || listeners === undefined ? undefined : { issuers, listeners }
}

function readAll(sources: readonly Source[], { values }: Evaluation, collect: Collect): Definition[] {
  return sources.flatMap((source) => {
    if (!values.has(source.path)) return []
    const value = values.get(source.path)
    const name = isRecord(value) && typeof value['name'] === 'string' ? value['name'] : undefined
    const report: Report = (finding) => collectAs(collect, gatewayProblem(source, name, finding))
    const gateway = readGateway(value, [], report)
    return gateway === undefined ? [] : [{ gateway, source }]
  })
}

function checkAll(
  definitions: readonly Definition[],
  tables: Tables,
  bound: BoundFile | undefined,
  sources: ParsedTables,
  collect: Collect,
): void {
  for (const { gateway, source } of definitions) {
    checkGateway(gateway, tables, (finding) => collectAs(collect, gatewayProblem(source, gateway.name, finding)))
  }
  const reportIn: ReportIn = ({ gateway, source }, finding) => collect(gatewayProblem(source, gateway.name, finding))
  checkClashes(definitions, reportIn)
  checkAudits(definitions, reportIn)
  const used = new Set(definitions.map(({ gateway }) => gateway.listener ?? DEFAULT_LISTENER))
  checkPorts(used, tables, bound?.bindings, (finding) =>
    collectAs(collect, tableProblem(sources.listeners, TABLES.listeners[1], finding)),
  )
  if (bound === undefined) return
  const addresses = new Set(
    definitions.flatMap(({ gateway }) => Object.values(gateway.upstreams).map((u) => u.address)),
  )
  checkBindings(bound.bindings, tables, addresses, used, (finding) =>
    collectAs(collect, tableProblem(bound.source, 'default', finding)),
  )
}
