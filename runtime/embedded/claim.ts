import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { processRow } from './processes.ts'
import { cannotWrite } from './replace-file.ts'

/** A process for ever: a pid comes again, together with its start time it does not. */
const Holder = z.object({ pid: z.int().positive(), startedAt: z.string() })

/** The process that holds a file. */
export type Holder = z.infer<typeof Holder>

/** What asking for a file gave. */
export type Claim =
  | { readonly at: 'held'; readonly release: () => Promise<void> }
  | { readonly at: 'taken'; readonly by: Holder }

/** Rounds against others who take over the same left file; each ends because one of them got on. */
const MAX_ROUNDS = 100

/**
 * Takes `file` for this process, or says which living process has it; one that died, or was cut short, holds nothing. The folder is
 * made when missing. Throws where this user may not write or the disk is full.
 */
export async function claim(file: string): Promise<Claim> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const mine = JSON.stringify({ pid: process.pid, startedAt: processRow(process.pid)?.startedAt ?? '' })
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (await placed(file, mine)) return { at: 'held', release: () => rm(file, { force: true }) }
    const text = await textOf(file)
    const holder = holderIn(text)
    if (holder !== undefined && isRunning(holder)) return { at: 'taken', by: holder }
    if (text !== undefined) await removeLeft(file, text)
  }
  throw new Error(`${file}: could not be taken in ${MAX_ROUNDS} rounds; delete it if nothing runs`)
}

/** True when the file was not there; it appears with its content, so nobody finds it empty. */
async function placed(file: string, text: string): Promise<boolean> {
  const draft = beside(file)
  try {
    await writeFile(draft, text, { mode: 0o600 })
    await link(draft, file)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw cannotWrite(file, error)
  } finally {
    await rm(draft, { force: true })
  }
}

/** Removes what a dead process has left. Somebody may have taken the file over since it was read: then it is put back. */
async function removeLeft(file: string, text: string): Promise<void> {
  const aside = beside(file)
  try {
    await rename(file, aside)
    if ((await readFile(aside, 'utf8')) !== text) await link(aside, file)
  } catch (error) {
    if (!isCode(error, 'ENOENT') && !isCode(error, 'EEXIST')) throw error
  } finally {
    await rm(aside, { force: true })
  }
}

/** A name of its own in the same folder. */
function beside(file: string): string {
  return `${file}.${randomBytes(6).toString('hex')}`
}

function isRunning({ pid, startedAt }: Holder): boolean {
  return processRow(pid)?.startedAt === startedAt
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function holderIn(text: string | undefined): Holder | undefined {
  try {
    return Holder.safeParse(JSON.parse(text ?? 'null')).data
  } catch {
    return undefined
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
