import type { DefinitionProblem } from '../definition-problem.ts'
import type { PropertyPath } from './plain-data.ts'
import type { Finding } from './reading.ts'
import type { Source } from './source.ts'
import { frameOf, type Spot } from './source-frame.ts'
import { locate } from './source-lines.ts'

/** A finding about a gateway as a problem with its place; `gateway` is its name, as far as it is known. */
export function gatewayProblem(source: Source, gateway: string | undefined, finding: Finding): DefinitionProblem {
  const [part, route, ...inRoute] = finding.path
  const isRoute = part === 'routes' && route !== undefined
  return {
    ...placed(source, 'default', finding),
    ...(gateway === undefined ? {} : { gateway }),
    ...(isRoute ? { route: String(route) } : {}),
    ...fieldOf(isRoute ? inRoute : finding.path),
  }
}

/** A finding about an exported table, or about bindings, as a problem with its place. */
export function tableProblem(source: Source, exported: string, finding: Finding): DefinitionProblem {
  return { ...placed(source, exported, finding), ...fieldOf(finding.path) }
}

/** Where a problem is, with the lines around it. */
export function placeAt(
  source: { readonly shown: string; readonly text: string },
  spot: Spot,
): Pick<DefinitionProblem, 'file' | 'line' | 'column' | 'frame'> {
  return { file: source.shown, line: spot.line, column: spot.column, frame: frameOf(source.text, spot) }
}

/** A property path as people write it: `cors.origins[0]`, `upstreams["a b"].address`. */
export function fieldText(path: PropertyPath): string {
  return path
    .map((part) => {
      if (typeof part === 'number') return `[${part}]`
      return /^[A-Za-z_$][\w$-]*$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`
    })
    .join('')
    .replace(/^\./, '')
}

function fieldOf(path: PropertyPath): { readonly field?: string } {
  return path.length === 0 ? {} : { field: fieldText(path) }
}

function placed(source: Source, exported: string, finding: Finding): DefinitionProblem {
  const { path, part, code, message, expected, suggestion } = finding
  return {
    code,
    ...placeAt(source, locate(source, exported, path, part)),
    message,
    ...(expected === undefined ? {} : { expected }),
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}
