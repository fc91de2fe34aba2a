import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { processRow } from './processes.ts'

/** Pid and start time together never come twice. */
const Note = z.object({ pid: z.int().positive(), startedAt: z.string() })

/**
 * Claims a file for this process and gives what releases it. Throws while the process that claimed it before still runs: two
 * supervisors in one folder would fight over its sockets and keys.
 */
export async function claimSole(file: string): Promise<() => Promise<void>> {
  const before = await noteOf(file)
  if (before !== undefined && before.pid !== process.pid && processRow(before.pid)?.startedAt === before.startedAt) {
    throw new Error(`it runs here already (pid ${before.pid}): stop that one with Ctrl-C or kill ${before.pid}`)
  }
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const startedAt = processRow(process.pid)?.startedAt ?? ''
  await writeFile(file, JSON.stringify({ pid: process.pid, startedAt }), { mode: 0o600 })
  return () => rm(file, { force: true })
}

/** Nobody, when the file is missing or was cut short by a crash. */
async function noteOf(file: string): Promise<z.infer<typeof Note> | undefined> {
  try {
    return Note.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return undefined
  }
}
