import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { type ProcessRow, processRow } from './processes.ts'
import { endSession } from './running-part.ts'

const Row = z.object({ name: z.string(), pid: z.int().positive(), startedAt: z.string() })
const Note = z.object({ supervisor: Row, parts: z.array(Row) })

/** What is noted about a running process; pid and start time together never come twice. */
export type NotedProcess = z.infer<typeof Row>

/** Notes who supervises which processes, so that a supervisor that was killed leaves a trail. At once: two notes never mix. */
export function noteProcesses(file: string, parts: readonly NotedProcess[]): void {
  const supervisor = noted('supervisor', process.pid)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(file, JSON.stringify({ supervisor, parts }), { mode: 0o600 })
}

/** The note of a process that runs now; undefined when it does not. */
export function noted(name: string, pid: number): NotedProcess | undefined {
  const row = processRow(pid)
  return row && { name, pid, startedAt: row.startedAt }
}

/**
 * Ends what a killed supervisor left running, and returns the names. Throws when that supervisor still runs: two of them in one
 * folder would fight over it.
 */
export async function endLeftovers(file: string): Promise<readonly string[]> {
  const record = await readRecord(file)
  if (record === undefined) return []
  if (isSame(record.supervisor) && record.supervisor.pid !== process.pid) {
    throw new Error(
      `it runs here already (pid ${record.supervisor.pid}): stop that one with Ctrl-C or kill ${record.supervisor.pid}`,
    )
  }
  const left = record.parts.filter(isSame)
  for (const part of left) await endSession(part.pid)
  await rm(file, { force: true })
  return left.map((part) => part.name)
}

/** Nothing to do is all right when the file is missing or was cut short by the same crash. */
async function readRecord(file: string): Promise<z.infer<typeof Note> | undefined> {
  try {
    return Note.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return undefined
  }
}

function isSame(note: NotedProcess): boolean {
  const row: ProcessRow | undefined = processRow(note.pid)
  return row?.startedAt === note.startedAt
}
