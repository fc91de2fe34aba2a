/** A path of property names and list indexes, outermost first. */
export type PropertyPath = readonly (string | number)[]

/** Something in a value that JSON cannot say. */
export interface Impurity {
  readonly path: PropertyPath
  /** A noun phrase: `a function`, `a Date`, `a cycle`. */
  readonly what: string
}

/** More values than the definitions of ten thousand routes hold. */
const MAX_VALUES = 500_000
const MAX_DEPTH = 32
const MAX_IMPURITIES = 20

/**
 * A copy of `value` made of plain JSON data only: null, booleans, finite numbers, strings, dense arrays and plain
 * objects. Whatever else is found is listed and left out, so the copy is worth using only when the list is empty.
 */
export function plainCopy(value: unknown): { readonly copy: unknown; readonly impurities: readonly Impurity[] } {
  const walk = new Walk()
  return { copy: walk.copyOf(value, []), impurities: walk.impurities }
}

class Walk {
  readonly impurities: Impurity[] = []
  readonly #ancestors = new Set<object>()
  #left = MAX_VALUES

  copyOf(node: unknown, path: PropertyPath): unknown {
    if (this.#left === 0) return undefined
    if (--this.#left === 0) return this.#impure(path, `more than ${MAX_VALUES} values`)
    if (isScalar(node)) return node
    if (typeof node !== 'object' || node === null) return this.#impure(path, naming(node))
    if (this.#ancestors.has(node)) return this.#impure(path, 'a cycle')
    if (path.length >= MAX_DEPTH) return this.#impure(path, `nested deeper than ${MAX_DEPTH} levels`)
    this.#ancestors.add(node)
    const copy = Array.isArray(node) ? this.#list(node, path) : this.#record(node, path)
    this.#ancestors.delete(node)
    return copy
  }

  #list(node: readonly unknown[], path: PropertyPath): unknown[] {
    const length = Math.min(node.length, this.#left)
    return Array.from({ length }, (_, index) => {
      const place = [...path, index]
      return index in node ? this.copyOf(node[index], place) : this.#impure(place, 'a hole in a list')
    })
  }

  #record(node: object, path: PropertyPath): unknown {
    const prototype: unknown = Object.getPrototypeOf(node)
    if (prototype !== Object.prototype && prototype !== null) return this.#impure(path, naming(node))
    const copy: Record<string, unknown> = {}
    for (const key of Reflect.ownKeys(node)) {
      const place = [...path, String(key)]
      const what = memberImpurity(node, key)
      if (what === undefined) copy[String(key)] = this.copyOf(Reflect.get(node, key), place)
      else this.#impure(place, what)
    }
    return copy
  }

  #impure(path: PropertyPath, what: string): undefined {
    if (this.impurities.length < MAX_IMPURITIES) this.impurities.push({ path, what })
  }
}

function isScalar(node: unknown): boolean {
  return node === null || typeof node === 'string' || typeof node === 'boolean' || Number.isFinite(node)
}

function memberImpurity(owner: object, key: string | symbol): string | undefined {
  if (typeof key === 'symbol') return 'a symbol as a name'
  if (key === '__proto__') return 'a field named __proto__'
  const descriptor = Object.getOwnPropertyDescriptor(owner, key)
  return descriptor?.get === undefined && descriptor?.set === undefined ? undefined : 'a getter or setter'
}

function naming(node: unknown): string {
  if (typeof node === 'function') return /^class\b/.test(String(node)) ? 'a class' : 'a function'
  if (typeof node === 'object' && node !== null) return instanceNaming(node)
  if (typeof node === 'undefined' || typeof node === 'number') return String(node)
  return `a ${typeof node}`
}

function instanceNaming(node: object): string {
  const maker: unknown = Reflect.get(node, 'constructor')
  if (typeof maker !== 'function' || maker === Object || maker.name === '') return 'an object with its own prototype'
  return `${/^[AEIOU]/.test(maker.name) ? 'an' : 'a'} ${maker.name}`
}
