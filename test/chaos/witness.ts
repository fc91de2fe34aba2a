import { link, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

const LOOK_EVERY_MS = 100

/**
 * Keeps what the spools and the access log ever held: a second name for each of their files, made within 100 ms, so that the recorder
 * may delete its own. Both folders must be on one file system.
 */
export class Witness {
  /** One folder per worker, named as in the spool. */
  readonly spools: string
  /** Every file that Envoy has written to, by its inode. */
  readonly logs: string
  readonly #from: { readonly spools: string; readonly logs: string }
  readonly #timer: NodeJS.Timeout
  readonly #known = new Set<string>()
  #looking: Promise<void> = Promise.resolve()
  #failure: unknown

  /** `audit` is the `audit` folder of a running Sallyport, `folder` gets the second names. */
  constructor(audit: string, folder: string) {
    this.spools = join(folder, 'spool')
    this.logs = join(folder, 'access')
    this.#from = { spools: join(audit, 'spool'), logs: join(audit, 'access') }
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
  }

  /** Looks a last time. Throws what went wrong in between: a witness who was not there says nothing. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    this.#look()
    await this.#looking
    if (this.#failure !== undefined) throw this.#failure
  }

  #look(): void {
    const all = async () => {
      for (const worker of await namesIn(this.#from.spools)) {
        const segments = (await namesIn(join(this.#from.spools, worker))).filter((name) => name.endsWith('.seg'))
        for (const name of segments) await this.#keep(join(this.#from.spools, worker, name), join(this.spools, worker))
      }
      const logs = (await namesIn(this.#from.logs)).filter((name) => name.endsWith('.log'))
      for (const name of logs) await this.#keep(join(this.#from.logs, name), this.logs, '.log')
    }
    this.#looking = this.#looking.then(all).catch((error: unknown) => {
      this.#failure ??= error
    })
  }

  /** Under its own name, or under its inode's where names change. */
  async #keep(file: string, to: string, extension?: string): Promise<void> {
    try {
      const { ino } = await stat(file)
      if (this.#known.has(`${ino}`)) return
      await mkdir(to, { recursive: true })
      const name = extension === undefined ? file.slice(file.lastIndexOf('/') + 1) : `${ino}${extension}`
      await link(file, join(to, name))
      this.#known.add(`${ino}`)
    } catch (error) {
      // Renamed between the look and the link: the next look finds it under its new name.
      if (!isCode(error, 'ENOENT')) throw error
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return []
    throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
