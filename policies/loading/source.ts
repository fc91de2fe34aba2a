import { stripTypeScriptTypes } from 'node:module'
import {
  type Expression,
  type Identifier,
  type Literal,
  type Node,
  type Program,
  parse,
  parseExpressionAt,
} from 'acorn'
import type { DefinitionProblem } from '../definition-problem.ts'
import type { SourceText } from './definition-files.ts'
import { frameOf } from './source-frame.ts'

/** A parsed file of definitions, in which values have places. */
export interface Source extends SourceText {
  readonly tree: Node
  /** Initial values of the file's top-level declarations, by name. */
  readonly declarations: ReadonlyMap<string, Expression>
  /** Exported values by exported name; `default` among them. */
  readonly exports: ReadonlyMap<string, Expression>
}

/** Parses a definition. Types are blanked, not removed, so every position is the author's own. */
export function parseSource(source: SourceText): Source | DefinitionProblem {
  try {
    const tree = parse(stripTypeScriptTypes(source.text), {
      ecmaVersion: 'latest',
      sourceType: 'module',
      locations: true,
    })
    const declarations = declarationsOf(tree)
    return { ...source, tree, declarations, exports: exportsOf(tree, declarations) }
  } catch (error) {
    return syntaxProblem(source, error)
  }
}

/** Parses JSON, which is an expression of JavaScript too; its value is the export `default`. */
export function parseJsonSource(source: SourceText): Source | DefinitionProblem {
  try {
    JSON.parse(source.text)
    const tree = parseExpressionAt(source.text, 0, { ecmaVersion: 'latest', locations: true })
    return { ...source, tree, declarations: new Map(), exports: new Map([['default', tree]]) }
  } catch (error) {
    return { ...syntaxProblem(source, error), code: 'SP4001' }
  }
}

function declarationsOf(tree: Program): Map<string, Expression> {
  const found = new Map<string, Expression>()
  for (const statement of tree.body) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type !== 'VariableDeclaration') continue
    for (const { id, init } of declaration.declarations) {
      if (id.type === 'Identifier' && init !== undefined && init !== null) found.set(id.name, init)
    }
  }
  return found
}

function exportsOf(tree: Program, declarations: ReadonlyMap<string, Expression>): Map<string, Expression> {
  const found = new Map(declarations)
  for (const statement of tree.body) {
    if (statement.type === 'ExportDefaultDeclaration' && isExpression(statement.declaration)) {
      found.set('default', statement.declaration)
    }
    const specifiers = statement.type === 'ExportNamedDeclaration' ? statement.specifiers : []
    for (const { local, exported } of specifiers) {
      const value = declarations.get(wordOf(local))
      if (value !== undefined) found.set(wordOf(exported), value)
    }
  }
  return found
}

function wordOf(name: Identifier | Literal): string {
  return name.type === 'Identifier' ? name.name : String(name.value)
}

function isExpression(node: Node): node is Expression {
  return node.type !== 'FunctionDeclaration' && node.type !== 'ClassDeclaration'
}

/** Node says the place of a syntax error in the first lines of the stack, acorn in `loc`, JSON.parse in its message. */
function syntaxProblem(source: SourceText, error: unknown): DefinitionProblem {
  if (!(error instanceof SyntaxError)) throw error
  const inStack = /^[^\n]*:(\d+)\n(?:[^\n]*\n)*?( *)\^/.exec(error.stack ?? '')
  const inMessage = /line (\d+) column (\d+)/.exec(error.message)
  const inAcorn = 'loc' in error ? /"line":(\d+),"column":(\d+)/.exec(JSON.stringify(error.loc)) : null
  const line = Number(inAcorn?.[1] ?? inMessage?.[1] ?? inStack?.[1] ?? 1)
  const column = Number(inAcorn?.[2] ?? inMessage?.[2] ?? inStack?.[2]?.length ?? 0) + (inMessage === null ? 1 : 0)
  const unsupported = 'code' in error && error.code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
  return {
    code: 'SP1003',
    file: source.shown,
    line,
    column,
    message: error.message.split('\n')[0] ?? 'cannot be parsed',
    ...(unsupported ? { suggestion: 'write it as plain data: definitions run with their types removed' } : {}),
    frame: frameOf(source.text, { line, column, endColumn: column + 1 }),
  }
}
