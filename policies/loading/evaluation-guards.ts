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
 * empty environment; these guards explain them, and add what they leave open: printing, exiting, the network, imports.
 */
export function raiseGuards(roots: readonly string[], printed: (stack: string) => void): void {
  guardImports(roots)
  guardStreams(printed)
  guardEnvironment()
  for (const name of ['exit', 'reallyExit', 'abort', 'kill', 'chdir', 'dlopen']) {
    refuseCall(process, name, 'exits', `process.${name}()`)
  }
  for (const name of ['fetch', 'WebSocket', 'EventSource']) refuseCall(globalThis, name, 'reaches-out', `${name}()`)
}

function refuseCall(owner: object, name: string, kind: FaultKind, what: string): void {
  const refuse = (): never => {
    throw new Forbidden(kind, what)
  }
  Object.defineProperty(owner, name, { value: refuse })
}

function guardImports(roots: readonly string[]): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (!/^(\.{0,2}\/|file:)/.test(specifier)) throw new Forbidden('import-forbidden', specifier)
      const resolved = next(specifier, context)
      if (!isInside(resolved.url, roots)) throw new Forbidden('import-forbidden', specifier)
      return resolved
    },
  })
}

function isInside(url: string, roots: readonly string[]): boolean {
  if (!url.startsWith('file:')) return false
  const path = fileURLToPath(url)
  return roots.some((root) => path.startsWith(`${root}/`))
}

function guardStreams(printed: (stack: string) => void): void {
  // A throw would be lost: the console swallows what its stream throws. So the place is noted instead.
  const note = (): boolean => {
    printed(new Error('prints').stack ?? '')
    return true
  }
  Object.defineProperty(process.stdout, 'write', { value: note })
  Object.defineProperty(process.stderr, 'write', { value: note })
}

function guardEnvironment(): void {
  const refuse = (name: string | symbol): undefined => {
    // Node itself looks at variables, such as FORCE_COLOR: for those the environment is simply empty.
    const caller = new Error('environment').stack?.split('\n')[3] ?? ''
    if (!caller.includes('node:')) throw new Forbidden('reaches-out', `process.env.${String(name)}`)
  }
  const environment = new Proxy(
    {},
    {
      get: (_none, name) => refuse(name),
      has: (_none, name) => refuse(name) ?? false,
      ownKeys: () => refuse('*') ?? [],
    },
  )
  Object.defineProperty(process, 'env', { value: environment })
}
