import type { Stats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/** What is watched. */
export interface Watched {
  /** Folders in which every file counts, those in folders below it as well, such as the definitions and what they import. */
  readonly folders: readonly string[]
  /** Single files: they may be missing now, and be replaced by a rename or through a link. */
  readonly files: readonly string[]
}

/** How one file looked: equal marks mean that nothing happened to it in between. */
export interface Look {
  readonly mark: string
  /** When the file or its place in the file system last changed, epoch ms. */
  readonly changedAt: number
}

/** Files by absolute path; those that cannot be read are missing. */
export type Looks = ReadonlyMap<string, Look>

/** Whether a path counts. */
export type Counts = (path: string) => boolean

/** What one look at all files saw, and which files it was about. */
export interface Seen {
  readonly looks: Looks
  readonly covers: Counts
}

/** Times of files are this coarse, ms, with room: what changed twice within one tick has one time. */
const TICK_MS = 20
/** Entries of a folder that are looked at; more are refused when the definitions are read. */
const MAX_ENTRIES = 5_000

/** Looks at every file that counts, through links: where a link leads is part of how a file looks. */
export async function looksOf(watched: Watched): Promise<Looks> {
  const inFolders = await Promise.all(watched.folders.map((folder) => entriesOf(resolve(folder))))
  const paths = new Set([...watched.files.map((file) => resolve(file)), ...inFolders.flat()])
  const looks = await Promise.all([...paths].map(async (path) => [path, await lookAt(path)] as const))
  return new Map(looks.flatMap(([path, look]) => (look === undefined ? [] : [[path, look]])))
}

/**
 * Whether what `counts` looks otherwise than before. A file that the look before did not cover differs only when it changed later
 * than `since`: that it is watched from now on is no change of it.
 */
export function differ(before: Seen, after: Seen, since: number): boolean {
  for (const [path, look] of after.looks) {
    if (before.covers(path) ? before.looks.get(path)?.mark !== look.mark : look.changedAt > since - TICK_MS) return true
  }
  return [...before.looks.keys()].some((path) => after.covers(path) && !after.looks.has(path))
}

/** The paths that count, missing ones included. */
export function coverage(watched: Watched): Counts {
  const folders = watched.folders.map((folder) => `${resolve(folder)}/`)
  const files = new Set(watched.files.map((file) => resolve(file)))
  return (path) => files.has(path) || folders.some((folder) => path.startsWith(folder))
}

/** The folders whose entries count, in whole or in part. */
export function foldersOf(watched: Watched): ReadonlySet<string> {
  return new Set([
    ...watched.folders.map((folder) => resolve(folder)),
    ...watched.files.map((file) => dirname(resolve(file))),
  ])
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  return names.slice(0, MAX_ENTRIES).map((name) => join(folder, name))
}

async function lookAt(path: string): Promise<Look | undefined> {
  const stats = await statOf(path)
  if (stats === undefined || stats.isDirectory()) return undefined
  const { dev, ino, size, mode, mtimeMs, ctimeMs } = stats
  const age = Date.now() - ctimeMs
  // Too fresh to be sure: a mark of its own, so that the next look differs in any case.
  const moment = age >= 0 && age < TICK_MS ? performance.now() : ctimeMs
  return { mark: [dev, ino, size, mode, mtimeMs, moment].join(' '), changedAt: Math.max(mtimeMs, ctimeMs) }
}

/** Undefined for what cannot be looked at, whatever the reason: the loading of it says which. */
export function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined)
}
