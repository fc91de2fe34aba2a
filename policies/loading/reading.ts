import type { DefinitionCode } from '../definition-problem.ts'
import { nearest } from './nearest.ts'
import type { PropertyPath } from './plain-data.ts'

/** A rule that a value broke, at its place in the value. */
export interface Finding {
  readonly code: DefinitionCode
  readonly path: PropertyPath
  /** What of the place is meant: a field's name, or its value (the default). */
  readonly part?: 'key' | 'value'
  readonly message: string
  readonly expected?: string
  readonly suggestion?: string
}

/** Takes a finding; gives nothing, so that a reader can end with it. */
export type Report = (finding: Finding) => undefined

/** Reads plain data as a `T`, or reports what is wrong with it and gives nothing. */
export type Reader<T> = (value: unknown, path: PropertyPath, report: Report) => T | undefined

/** How a field of an object is read, and whether it must be there. */
export interface Field<T, Needed extends boolean> {
  readonly read: Reader<T>
  readonly needed: Needed
}

/** For each property of `T` its field; the compiler sees that optional ones are `optional` and the others `required`. */
export type Fields<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? Field<Exclude<T[K], undefined>, false>
    : Field<T[K], true>
}

export function required<T>(read: Reader<T>): Field<T, true> {
  return { read, needed: true }
}

export function optional<T>(read: Reader<T>): Field<T, false> {
  return { read, needed: false }
}

/** Strings that pass `judge`, which gives the finding, without its path, where one does not. */
export function text(
  expected: string,
  judge: (value: string) => Omit<Finding, 'path'> | undefined = () => undefined,
): Reader<string> {
  return (value, path, report) => {
    if (typeof value !== 'string') return wrongType(value, expected, path, report)
    const finding = judge(value)
    return finding === undefined ? value : report({ expected, ...finding, path })
  }
}

export const flag: Reader<boolean> = (value, path, report) =>
  typeof value === 'boolean' ? value : wrongType(value, 'true or false', path, report)

/** Whole numbers between two bounds, both allowed. */
export function whole(least: number, most: number): Reader<number> {
  const expected = `a whole number from ${least} to ${most}`
  return (value, path, report) => {
    if (typeof value !== 'number') return wrongType(value, expected, path, report)
    if (Number.isInteger(value) && value >= least && value <= most) return value
    return report({ code: 'SP2005', path, message: `${value} is out of range`, expected })
  }
}

/** One of a fixed list of words. */
export function oneOf<const T extends string>(words: readonly T[]): Reader<T> {
  const expected = choices(words)
  return (value, path, report) => {
    const word = words.find((candidate) => candidate === value)
    if (word !== undefined) return word
    if (typeof value !== 'string') return wrongType(value, expected, path, report)
    return report({
      code: 'SP2004',
      path,
      message: `${shown(value)} is not known here`,
      expected,
      ...didYouMean(value, words),
    })
  }
}

/** Lists with at least one entry and, for strings, no entry twice. */
export function list<T>(read: Reader<T>): Reader<readonly T[]> {
  return (value, path, report) => {
    if (!Array.isArray(value)) return wrongType(value, 'a list', path, report)
    if (value.length === 0) {
      return report({ code: 'SP2006', path, message: 'the list is empty', suggestion: 'add an entry, or leave it out' })
    }
    const entries: unknown[] = value
    for (const [index, entry] of entries.entries()) {
      const twice = typeof entry === 'string' && entries.indexOf(entry) < index
      if (twice) report({ code: 'SP2006', path: [...path, index], message: `${shown(entry)} is listed twice` })
    }
    const entriesRead = entries.map((entry, index) => read(entry, [...path, index], report))
    return entriesRead.every((entry) => entry !== undefined) ? entriesRead : undefined
  }
}

/** Objects used as tables: names of one form, values of one kind. */
export function table<T>(name: Reader<string>, read: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, path, report) => {
    if (!isRecord(value)) return wrongType(value, 'an object', path, report)
    const given = Object.entries(value)
    const rows = given.flatMap(([key, row]) => {
      const place = [...path, key]
      const named = name(key, place, (finding) => report({ ...finding, part: 'key' }))
      const content = read(row, place, report)
      return named === undefined || content === undefined ? [] : [[named, content] as const]
    })
    return rows.length === given.length ? Object.fromEntries(rows) : undefined
  }
}

/** Objects with known fields; every other field is a finding, with the nearest known name. */
export function object<T extends object>(fields: Fields<T>): Reader<T> {
  const known = new Map<string, Field<unknown, boolean>>(Object.entries(fields))
  return (value, path, report) => {
    if (!isRecord(value)) return wrongType(value, `an object with ${[...known.keys()].join(', ')}`, path, report)
    const meant = reportUnknown(value, known, path, report)
    const given = [...known].filter(([name]) => Object.hasOwn(value, name))
    const result = Object.fromEntries(
      given.map(([name, { read }]) => [name, read(value[name], [...path, name], report)]),
    )
    for (const [name, { needed }] of known) {
      // A misspelt name is one mistake, not two.
      if (!needed || Object.hasOwn(value, name) || meant.has(name)) continue
      report({ code: 'SP2002', path: [...path, name], message: `${name} is missing` })
    }
    return isComplete(result, fields) ? result : undefined
  }
}

/** Every field that was read has a value, and every field that must be there was read. */
function isComplete<T extends object>(result: object, fields: Fields<T>): result is T {
  const wanted = Object.entries<Field<unknown, boolean>>(fields).filter(([, { needed }]) => needed)
  return (
    Object.values(result).every((part) => part !== undefined) && wanted.every(([name]) => Object.hasOwn(result, name))
  )
}

function reportUnknown(
  value: Readonly<Record<string, unknown>>,
  known: ReadonlyMap<string, unknown>,
  path: PropertyPath,
  report: Report,
): ReadonlySet<string> {
  const meant = new Set<string>()
  for (const name of Object.keys(value)) {
    if (known.has(name)) continue
    const near = nearest(name, known.keys())
    if (near !== undefined) meant.add(near)
    report({
      code: 'SP2001',
      path: [...path, name],
      part: 'key',
      message: `there is no field ${shown(name)} here`,
      expected: choices([...known.keys()]),
      ...(near === undefined ? { suggestion: 'remove it' } : { suggestion: `did you mean ${shown(near)}?` }),
    })
  }
  return meant
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reports that a value is of the wrong type, and gives nothing. */
export function wrongType(value: unknown, expected: string, path: PropertyPath, report: Report): undefined {
  return report({ code: 'SP2003', path, message: `${shown(value)} has the wrong type`, expected })
}

/** A value as messages show it, short. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isRecord(value)) return 'an object'
  const json = JSON.stringify(value) ?? String(value)
  return json.length > 80 ? `${json.slice(0, 77)}…"` : json
}

/** `one of "a", "b"`, cut where there are many. */
export function choices(words: readonly string[]): string {
  const most = 24
  const few = words.slice(0, most).map((word) => shown(word))
  return `one of ${few.join(', ')}${words.length > most ? ', …' : ''}`
}

/** The suggestion for a misspelt name, where a candidate is near. */
export function didYouMean(name: string, candidates: Iterable<string>): { readonly suggestion?: string } {
  const near = nearest(name, candidates)
  return near === undefined ? {} : { suggestion: `did you mean ${shown(near)}?` }
}
