import type { RowKey } from '../../store/errors.ts'

/** A half of a row, or the leaf that a batch signed for it. */
export interface Half extends RowKey {
  readonly kind: 'decision' | 'completion'
  /** SHA-256 of its bytes, 32 bytes. */
  readonly hash: Buffer
}

/** Halves that have not met their other side yet, by key and kind; about 200 bytes of memory each. */
export class Waiting {
  readonly #hashes = new Map<string, string>()

  get size(): number {
    return this.#hashes.size
  }

  add(half: Half): void {
    this.#hashes.set(nameOf(half), half.hash.toString('latin1'))
  }

  /** Whether this very hash waits. */
  holds(half: Half): boolean {
    return this.#hashes.get(nameOf(half)) === half.hash.toString('latin1')
  }

  /** The hash that waits for this one, which waits no longer. */
  take(half: Half): Buffer | undefined {
    const name = nameOf(half)
    const hash = this.#hashes.get(name)
    if (hash === undefined) return undefined
    this.#hashes.delete(name)
    return Buffer.from(hash, 'latin1')
  }

  clear(): void {
    this.#hashes.clear()
  }

  /** The one that waits longest; none where none waits. */
  first(): readonly Half[] {
    for (const half of this) return [half]
    return []
  }

  /** All that wait, in the order in which they came. */
  *[Symbol.iterator](): Generator<Half> {
    for (const [name, hash] of this.#hashes) {
      const [kind = '', timestamp, id = ''] = name.split(' ')
      yield {
        kind: kind === 'decision' ? 'decision' : 'completion',
        timestamp: Number(timestamp),
        id,
        hash: Buffer.from(hash, 'latin1'),
      }
    }
  }
}

/** Decisions that a row may show, by key. */
export class Allowed {
  readonly #hashes = new Map<string, readonly string[]>()

  get size(): number {
    return this.#hashes.size
  }

  add(half: Half): void {
    const name = nameOf(half)
    this.#hashes.set(name, [...(this.#hashes.get(name) ?? []), half.hash.toString('latin1')])
  }

  has(half: Half): boolean {
    return this.#hashes.get(nameOf(half))?.includes(half.hash.toString('latin1')) === true
  }

  /** The row has been read; none comes again. */
  forget({ timestamp, id }: RowKey): void {
    this.#hashes.delete(nameOf({ kind: 'decision', timestamp, id }))
  }
}

const nameOf = ({ kind, timestamp, id }: Omit<Half, 'hash'>) => `${kind} ${timestamp} ${id}`
