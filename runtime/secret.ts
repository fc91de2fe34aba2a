import { readFile, stat } from 'node:fs/promises'
import { inspect } from 'node:util'

const REDACTED = '***REDACTED***'

/** A text that cannot be printed, logged, serialised or compared by accident; only `reveal()` gives it. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return `Secret { ${REDACTED} }`
  }
}

/** Longest secret file that is read, bytes; a path that points at something else by mistake stays out of memory. */
const MAX_SECRET_BYTES = 65_536

/**
 * Reads a secret from a file of its own; one trailing line break is not part of it. Refuses, by an error that names the path and
 * the cure, what is no regular file, what others may read (mode & 0o077, unless `sharedWithGroup`), what is empty or over 64 KiB.
 */
export async function readSecretFile(file: string, options: { sharedWithGroup?: boolean } = {}): Promise<Secret> {
  const info = await stat(file)
  if (!info.isFile()) throw new Error(`secret ${file}: must be a regular file`)
  const forbidden = options.sharedWithGroup ? 0o007 : 0o077
  if ((info.mode & forbidden) !== 0) {
    const mode = (info.mode & 0o777).toString(8).padStart(4, '0')
    throw new Error(`secret ${file}: others may read it (mode ${mode}); run chmod 600 ${file}`)
  }
  if (info.size > MAX_SECRET_BYTES)
    throw new Error(`secret ${file}: ${info.size} bytes, at most ${MAX_SECRET_BYTES} are read`)
  const value = (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
  if (value === '') throw new Error(`secret ${file}: is empty`)
  return new Secret(value)
}
