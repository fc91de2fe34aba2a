import { readdirSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { SpoolFault } from '../../../../ext-authz/audit/spool/fault.ts'
import { SPOOL_FILES, type SpoolFiles } from '../../../../ext-authz/audit/spool/files.ts'
import {
  type SpoolGap,
  type SpoolPosition,
  SpoolReader,
  type SpoolRecord,
} from '../../../../ext-authz/audit/spool/reader.ts'
import { Spool, type SpoolOptions } from '../../../../ext-authz/audit/spool/spool.ts'
import { verifySpool } from '../../../../ext-authz/audit/spool/verify.ts'
import { createLog } from '../../../../runtime/log.ts'

/** A log that says nothing. */
export const SILENT = createLog('test', 'silent')

/** A folder of its own, gone when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spool-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

let boots = 0

/** Opens a spool as a worker does, closed when the test is over; each opening is a boot of its own. */
export async function openSpool(folder: string, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  boots += 1
  const spool = await Spool.open({
    folder,
    node: 'pod-1',
    worker: 0,
    boot: `b${boots}`,
    mode: 'group',
    segmentBytes: 2 ** 20,
    segmentMs: 60_000,
    log: SILENT,
    now: Date.now,
    ...options,
  })
  onTestFinished(() => spool.close())
  return spool
}

/** Adds records in one turn; their event ids once they are told. */
export function append(spool: Spool, texts: readonly string[]): Promise<(string | undefined)[]> {
  return Promise.all(texts.map((text) => new Promise<string | undefined>((resolve) => spool.append(text, resolve))))
}

/** Texts of records: `count` numbered ones. */
export function texts(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, n) => JSON.stringify({ n: from + n }))
}

/** What a reader gives from a position on, until it gives no more. */
export async function readAll(
  folder: string,
  from?: SpoolPosition,
  limit = { records: 100, bytes: 2 ** 20 },
): Promise<{ records: SpoolRecord[]; gaps: SpoolGap[] }> {
  const gaps: SpoolGap[] = []
  const reader = new SpoolReader(folder, from, { onGap: (gap) => gaps.push(gap) })
  return { records: await drain(reader, limit), gaps }
}

/** All that a reader gives for now. */
export async function drain(reader: SpoolReader, limit = { records: 100, bytes: 2 ** 20 }): Promise<SpoolRecord[]> {
  const records: SpoolRecord[] = []
  for (let read = await reader.read(limit); read.length > 0; read = await reader.read(limit)) records.push(...read)
  return records
}

/** The texts of the decisions among some records. */
export function decisions(records: readonly SpoolRecord[]): string[] {
  return records.filter(({ kind }) => kind === 'decision').map(({ json }) => json.toString('utf8'))
}

/** Every fault of a spool. */
export async function faultsOf(...args: Parameters<typeof verifySpool>): Promise<SpoolFault[]> {
  const faults: SpoolFault[] = []
  for await (const fault of verifySpool(...args)) faults.push(fault)
  return faults
}

/** The file system, with some of it replaced. */
export function faulty(faults: Partial<SpoolFiles>): SpoolFiles {
  return { ...SPOOL_FILES, ...faults }
}

/** An error as the system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

/** A disk of `capacity` bytes, used by one folder. */
interface SmallDisk {
  capacity: number
  readonly files: SpoolFiles
}

/** A disk that holds so many bytes: a write that does not fit is short first, then fails. */
export function smallDisk(folder: string, capacity: number): SmallDisk {
  const disk: SmallDisk = {
    capacity,
    files: faulty({
      write: (fd, bytes, position) => {
        const free = disk.capacity - usedIn(folder)
        if (free <= 0 && bytes.length > 0) throw systemError('ENOSPC')
        return SPOOL_FILES.write(fd, bytes.subarray(0, Math.min(bytes.length, free)), position)
      },
    }),
  }
  return disk
}

/** Bytes of the files in a folder. */
export function usedIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

/** A disk whose next syncs fail; it knows whether a descriptor was used after that, and which are open. */
export function failingSync() {
  const broken = new Set<number>()
  const disk = {
    failures: 0,
    reused: false,
    open: new Set<number>(),
    files: faulty({
      create: (file) => {
        const fd = SPOOL_FILES.create(file)
        disk.open.add(fd)
        broken.delete(fd)
        return fd
      },
      close: (fd) => {
        disk.open.delete(fd)
        SPOOL_FILES.close(fd)
      },
      write: (fd, bytes, position) => {
        disk.reused ||= broken.has(fd)
        return SPOOL_FILES.write(fd, bytes, position)
      },
      datasync: async (fd) => {
        disk.reused ||= broken.has(fd)
        if (disk.failures > 0) {
          disk.failures -= 1
          broken.add(fd)
          throw systemError('EIO')
        }
        await SPOOL_FILES.datasync(fd)
      },
    }),
  }
  return disk
}

/** Changes one bit of a file. */
export async function flip(file: string, offset: number): Promise<void> {
  const bytes = await readFile(file)
  bytes[offset] = (bytes[offset] ?? 0) ^ 1
  await writeFile(file, bytes)
}
