import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { BALLAST } from './ballast.ts'

/** How full the room of the audit is: from 70, 85 and 95 % on. */
export type QuotaLevel = 'ok' | 'warn' | 'high' | 'full'

/** What a quota counts. */
export interface QuotaOptions {
  /** All files below count, three folders deep; one that is missing counts nothing. */
  readonly folders: readonly string[]
  /** Room for all of them together. */
  readonly bytes: number
  /** Room of the file system that holds a folder; for tests. */
  readonly room?: (folder: string) => Promise<Room | undefined>
}

/** Room of a file system, bytes. */
export interface Room {
  readonly free: number
  readonly size: number
}

const LEVELS = ['ok', 'warn', 'high', 'full'] as const
/** Share of the quota from which on each level holds. */
const FROM = { ok: 0, warn: 0.7, high: 0.85, full: 0.95 } as const
/** It must fall so far below that before the level ends. */
const HYSTERESIS = 0.05
/** A file system with less than this left is full, whatever the quota says: its size / 20, at most 16 MiB. */
const MAX_RESERVE_BYTES = 2 ** 24
const RESERVE_SHARE = 1 / 20
const LOOK_EVERY_MS = 1000
/** Looking takes at most this share of the time, however many files there are. */
const LOOK_SHARE = 1 / 50
const MAX_DEPTH = 3
const MAX_FILES = 100_000

/**
 * Looks every second how much of the quota the spools and the access log take, and how much room the disk has. `full` is for
 * `audit.onFailure` to decide (design.md §8); nothing is ever dropped.
 */
export class Quota {
  readonly #options: QuotaOptions
  #level: QuotaLevel = 'ok'
  #used = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #looking: Promise<void> | undefined

  /** Begins to look at once. */
  constructor(options: QuotaOptions) {
    this.#options = options
    this.#next(0)
  }

  /** As of the last look; `ok` before the first. */
  level(): QuotaLevel {
    return this.#level
  }

  /** Bytes that counted at the last look. */
  used(): number {
    return this.#used
  }

  /** Looks now. Never rejects: what cannot be read does not count. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  /** Looks no more. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #next(ms: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      const began = performance.now()
      void this.look().then(() => this.#next(Math.max(LOOK_EVERY_MS, (performance.now() - began) / LOOK_SHARE)))
    }, ms).unref()
  }

  async #look(): Promise<void> {
    const { folders, bytes, room = roomOf } = this.#options
    const budget = { files: MAX_FILES }
    let used = 0
    let noRoom = false
    for (const folder of folders) {
      used += await sizeOf(folder, MAX_DEPTH, budget)
      const found = await room(folder)
      if (found !== undefined) noRoom ||= hasNoRoom(found, this.#level === 'full')
    }
    this.#used = used
    this.#level = noRoom ? 'full' : levelOf(used / bytes, this.#level)
  }
}

/** The highest level that has begun, or not ended yet. */
function levelOf(share: number, before: QuotaLevel): QuotaLevel {
  const holds = (level: QuotaLevel) => {
    const isOn = LEVELS.indexOf(level) <= LEVELS.indexOf(before)
    return share >= FROM[level] - (isOn ? HYSTERESIS : 0)
  }
  return LEVELS.findLast(holds) ?? 'ok'
}

function hasNoRoom({ free, size }: Room, before: boolean): boolean {
  const reserve = Math.min(MAX_RESERVE_BYTES, size * RESERVE_SHARE)
  return free < (before ? 2 * reserve : reserve)
}

async function roomOf(folder: string): Promise<Room | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { free: bavail * bsize, size: blocks * bsize }
  } catch {
    // Missing, or not to be read: the spool itself will say so.
    return undefined
  }
}

async function sizeOf(folder: string, depth: number, budget: { files: number }): Promise<number> {
  let sum = 0
  for (const entry of await entriesOf(folder)) {
    if (entry.name === BALLAST) continue
    budget.files -= 1
    if (budget.files < 0) break
    const path = join(folder, entry.name)
    if (entry.isFile()) sum += await fileSize(path)
    else if (entry.isDirectory() && depth > 0) sum += await sizeOf(path, depth - 1, budget)
  }
  return sum
}

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

async function fileSize(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch {
    // The recorder deletes while we look.
    return 0
  }
}
