import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Node } from 'acorn'
import * as define from '../define.ts'
import type { DefinitionCode, DefinitionProblem } from '../definition-problem.ts'
import { POLICIES_FOLDER, readSource } from './definition-files.ts'
import type { EvaluationFault, FaultKind } from './evaluation.ts'
import { nearest } from './nearest.ts'
import { gatewayProblem, placeAt } from './problem-place.ts'
import { shown } from './reading.ts'
import { parseSource, type Source } from './source.ts'
import type { Spot } from './source-frame.ts'
import { firstNode } from './source-lines.ts'

type Wording = Pick<DefinitionProblem, 'message' | 'expected' | 'suggestion'>

const DATA_ONLY = 'a definition is data: it touches nothing outside itself'

const WORDING: Readonly<Record<FaultKind, readonly [DefinitionCode, (detail: string) => Wording]>> = {
  'import-missing': ['SP1004', (detail) => ({ message: detail })],
  'import-forbidden': [
    'SP1005',
    (detail) => ({
      message: `it may not import ${shown(detail)}`,
      expected: 'policies/define.ts, or a file of the same folder whose name starts with _',
    }),
  ],
  throws: ['SP1006', (detail) => ({ message: detail })],
  'no-default': [
    'SP1007',
    (detail) => ({
      message: detail === 'default' ? 'it has no default export' : `it does not export ${detail}`,
      suggestion:
        detail === 'default' ? 'write: export default defineGateway({ … })' : `export const ${detail} = { … }`,
    }),
  ],
  prints: ['SP1008', () => ({ message: 'it prints', expected: DATA_ONLY, suggestion: 'remove the output' })],
  'reaches-out': ['SP1009', (detail) => ({ message: `it may not use ${detail}`, expected: DATA_ONLY })],
  exits: ['SP1011', (detail) => ({ message: `it ends or disturbs its process: ${detail}`, expected: DATA_ONLY })],
  impure: [
    'SP1013',
    (detail) => ({
      message: `here is ${detail}, which is not plain data`,
      expected: 'text, finite numbers, true, false, null, lists and objects',
    }),
  ],
  'too-large': [
    'SP1012',
    () => ({ message: 'it is larger than 8 MiB as JSON', suggestion: 'make it several gateways' }),
  ],
  'too-slow': [
    'SP1010',
    (detail) => ({ message: detail === '' ? 'it did not finish in time' : detail, expected: DATA_ONLY }),
  ],
  'not-evaluated': [
    'SP1010',
    () => ({
      message: 'it was not evaluated: no time was left',
      suggestion: 'mend the files that did not finish, then load again',
    }),
  ],
}

/** What happened while a file was evaluated, as a problem at the place that did it. */
export async function faultProblem(source: Source, fault: EvaluationFault): Promise<DefinitionProblem> {
  const [code, wording] = WORDING[fault.kind]
  if (fault.kind === 'impure') {
    return gatewayProblem(source, undefined, { code, path: fault.path ?? [], ...wording(fault.detail) })
  }
  if (fault.kind === 'import-missing') return missingImport(source, fault)
  const guilty = await fileOfStack(source, fault.stack)
  if ('code' in guilty) return guilty
  const spot = importSpot(guilty, fault) ?? stackSpot(guilty, fault.stack) ?? slowSpot(guilty, fault) ?? TOP
  return { code, ...placeAt(guilty, spot), ...wording(fault.detail) }
}

const TOP: Spot = { line: 1, column: 1, endColumn: 1 }

/** The module of the first stack frame in the folder of definitions: a helper file may be at fault, or not even parse. */
async function fileOfStack(source: Source, stack = ''): Promise<Source | DefinitionProblem> {
  // Frames name modules by URL, a syntax error by path.
  const words = stack.split(/[\s()]+/).map((word) => word.replace(/(:\d+){1,2}$/, ''))
  const paths = words.map((word) => (URL.canParse(word) && word.startsWith('file:') ? fileURLToPath(word) : word))
  const path = paths.find((each) => each.startsWith(`${dirname(source.path)}/`)) ?? source.path
  if (path === source.path) return source
  const helper = await readSource(path)
  return 'code' in helper ? helper : parseSource(helper)
}

function stackSpot({ path }: Source, stack = ''): Spot | undefined {
  const place = stack.split(pathToFileURL(path).href)[1]
  const [, line, column] = /^:(\d+)(?::(\d+))?/.exec(place ?? '') ?? []
  if (line === undefined) return undefined
  const start = Number(column ?? 1)
  return { line: Number(line), column: start, endColumn: start + 1 }
}

function importSpot(source: Source, { kind, detail }: EvaluationFault): Spot | undefined {
  return kind === 'import-forbidden'
    ? firstNode(source, (node) => importsFrom(node, (from) => from === detail))
    : undefined
}

/** Nothing tells where a process was killed; the first loop or wait is the likely place. */
function slowSpot(source: Source, { kind }: EvaluationFault): Spot | undefined {
  const suspects = /^(?:While|DoWhile|For|ForIn|ForOf)Statement$|^AwaitExpression$/
  return kind === 'too-slow' ? firstNode(source, ({ type }) => suspects.test(type)) : undefined
}

/** A literal of an import, static or dynamic, whose text fits. */
function importsFrom(node: Node, fits: (specifier: string) => boolean): boolean {
  if (!/^(?:Import|ExportNamed|ExportAll)(?:Declaration|Expression)$/.test(node.type) || !('source' in node))
    return false
  const from = node.source
  return isTextLiteral(from) && fits(from.value)
}

function isTextLiteral(node: unknown): node is { readonly value: string } {
  return typeof node === 'object' && node !== null && 'value' in node && typeof node.value === 'string'
}

async function missingImport(source: Source, fault: EvaluationFault): Promise<DefinitionProblem> {
  const [, path] = /^Cannot find module '([^']+)'/.exec(fault.detail) ?? []
  const [, importer] = / imported from (.+)$/.exec(fault.detail) ?? []
  const guilty = await fileOfStack(source, importer === undefined ? fault.stack : pathToFileURL(importer).href)
  if ('code' in guilty) return guilty
  if (path === undefined) return missingName(guilty, fault)
  const spot = firstNode(guilty, (node) => importsFrom(node, (from) => resolves(from, guilty.path, path)))
  const near = nearest(basename(path), await neighbours(dirname(path), dirname(guilty.path)))
  return {
    code: 'SP1004',
    ...placeAt(guilty, spot ?? TOP),
    message: `there is no file ${shown(path)} to import`,
    ...(near === undefined ? {} : { suggestion: `did you mean ${shown(near)}?` }),
  }
}

function missingName(source: Source, fault: EvaluationFault): DefinitionProblem {
  const [, from = '', name = ''] = /module '([^']+)' does not .* export named '([^']+)'/.exec(fault.detail) ?? []
  const isName = (node: unknown) => typeof node === 'object' && node !== null && 'name' in node && node.name === name
  const spot = firstNode(
    source,
    (node) => node.type === 'ImportSpecifier' && 'imported' in node && isName(node.imported),
  )
  const near = from.endsWith('define.ts') ? nearest(name, Object.keys(define)) : undefined
  return {
    code: 'SP1004',
    ...placeAt(source, spot ?? stackSpot(source, fault.stack) ?? TOP),
    message: `${shown(from)} exports nothing called ${name}`,
    suggestion: near === undefined ? 'if it is a type, write: import type { … }' : `did you mean ${near}?`,
  }
}

function resolves(specifier: string, from: string, path: string): boolean {
  return URL.parse(specifier, pathToFileURL(from).href)?.href === pathToFileURL(path).href
}

/** Names of files that could have been meant; none where the folder is neither of the two that may be read. */
async function neighbours(folder: string, definitions: string): Promise<string[]> {
  return folder === definitions || folder === POLICIES_FOLDER ? await readdir(folder) : []
}
