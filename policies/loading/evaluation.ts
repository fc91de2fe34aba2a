import type { PropertyPath } from './plain-data.ts'

/** What the evaluating process says about one file; one JSON text a line, on descriptor {@link RESULT_FD}. */
export type EvaluationMessage =
  | { readonly kind: 'begin'; readonly file: string }
  | { readonly kind: 'value'; readonly file: string; readonly value: unknown }
  | { readonly kind: 'fault'; readonly file: string; readonly fault: EvaluationFault }
  | { readonly kind: 'end' }

/** Why a file gave no value. */
export interface EvaluationFault {
  readonly kind: FaultKind
  /** What happened: an error's message, the forbidden thing, or the kind of impure value. */
  readonly detail: string
  /** Where an error was made; the first frame inside a definition is its place. */
  readonly stack?: string
  /** Where in the value an impurity is. */
  readonly path?: PropertyPath
}

export type FaultKind = (typeof FAULT_KINDS)[number]

export const FAULT_KINDS = [
  'import-missing',
  'import-forbidden',
  'throws',
  'no-default',
  'prints',
  'reaches-out',
  'exits',
  'impure',
  'too-large',
  'too-slow',
  'not-evaluated',
] as const

/** Beside the standard streams, so that nothing a definition prints can be taken for a result. */
export const RESULT_FD = 3

/** Most bytes of results, all files together. */
export const MAX_RESULT_BYTES = 8 * 1024 * 1024
