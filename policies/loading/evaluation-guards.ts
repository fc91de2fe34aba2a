import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { FaultKind } from './evaluation.ts'

/** Thrown at the place where a definition tries what it may not. */
export class Forbidden extends Error {
  override readonly name = 'Forbidden'
  readonly kind: FaultKind

  constructor(kind: FaultKind, what: string) {
    super(what)
    this.kind = kind
  }
}

/**
 * Turns what a definition may not do into an error that says so at its own line. The walls are `--permission` and the
 * empty environment; these guards explain them, and add what they leave open: printing, exiting, signals, the network, imports.
 * Call it last: from here on `process` and `console` are stand-ins. Each way to Node's own modules that stays open gives the
 * network, descriptor 3 and signals, so the real objects, and whatever leads to a socket's class, are out of reach.
 */
export function raiseGuards(roots: readonly string[], printed: (stack: string) => void): void {
  guardImports(roots)
  for (const name of NETWORK) refuseGlobal(name)
  hideHttpClient()
  const note = (): boolean => {
    printed(new Error('prints').stack ?? '')
    return true
  }
  replaceGlobal('process', processStandIn(process, note))
  replaceGlobal('console', new Proxy({}, { get: () => note }))
}

/** Globals that open connections, and those whose first use loads the HTTP client, which leaves its dispatcher on `globalThis`. */
const NETWORK = [
  'fetch',
  'WebSocket',
  'EventSource',
  'Request',
  'Response',
  'Headers',
  'FormData',
  'MessageEvent',
  'CloseEvent',
] as const

/** The dispatcher that the HTTP client behind `fetch` leaves on `globalThis` once anything loads it. */
function hideHttpClient(): void {
  const left = Object.getOwnPropertySymbols(globalThis).filter(({ description }) => description?.startsWith('undici.'))
  for (const key of [...left, Symbol.for('undici.globalDispatcher.1')]) {
    Object.defineProperty(globalThis, key, { value: undefined, writable: false })
  }
}

function refuseGlobal(name: string): void {
  // Not an arrow: it must refuse after `new`, too.
  function refuse(): never {
    throw new Forbidden('reaches-out', `${name}()`)
  }
  replaceGlobal(name, refuse)
}

function replaceGlobal(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: false, configurable: false })
}

/** How a module of each kind is read, whatever Node would guess: in a CommonJS file, `module` leads to the real loader. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ['ts', 'module-typescript'],
  ['mts', 'module-typescript'],
  ['js', 'module'],
  ['mjs', 'module'],
  ['json', 'json'],
])

function guardImports(roots: readonly string[]): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (!/^(\.{0,2}\/|file:)/.test(specifier)) throw new Forbidden('import-forbidden', specifier)
      const resolved = next(specifier, context)
      const format = FORMATS.get(/\.(\w+)$/.exec(new URL(resolved.url).pathname)?.[1] ?? '')
      if (format === undefined || !isInside(resolved.url, roots)) throw new Forbidden('import-forbidden', specifier)
      return { ...resolved, format }
    },
  })
}

function isInside(url: string, roots: readonly string[]): boolean {
  if (!url.startsWith('file:')) return false
  const path = fileURLToPath(url)
  return roots.some((root) => path.startsWith(`${root}/`))
}

const ENDINGS: ReadonlySet<string> = new Set(['exit', 'reallyExit', 'abort', 'kill', '_kill', 'chdir', 'dlopen'])

/** `process` as definitions see it: every function refuses when it is called, every other member when it is read. */
function processStandIn(real: NodeJS.Process, write: () => boolean): object {
  const stream = Object.freeze({ write })
  const refuse = (name: string): Forbidden => new Forbidden('reaches-out', `process.${name}`)
  const members: ReadonlyMap<string, unknown> = new Map<string, unknown>([
    ['stdout', stream],
    ['stderr', stream],
    ['env', refusing((name) => refuse(`env.${name}`))],
  ])
  return refusing(refuse, (name) => {
    if (members.has(name)) return members.get(name)
    if (typeof Reflect.get(real, name) !== 'function') throw refuse(name)
    return () => {
      throw new Forbidden(ENDINGS.has(name) ? 'exits' : 'reaches-out', `process.${name}()`)
    }
  })
}

/** An object that can be neither listed nor written, and of which only `get` can be read. */
function refusing(error: (name: string) => Forbidden, get?: (name: string) => unknown): object {
  const refuse = (_none: object, name: string | symbol): never => {
    throw error(String(name))
  }
  const refuseAll = (none: object): never => refuse(none, '*')
  return new Proxy(
    {},
    {
      get: get === undefined ? refuse : (_none, name) => get(String(name)),
      has: refuse,
      set: refuse,
      defineProperty: refuse,
      deleteProperty: refuse,
      getOwnPropertyDescriptor: refuse,
      ownKeys: refuseAll,
      getPrototypeOf: refuseAll,
    },
  )
}
