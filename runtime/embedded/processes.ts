import { readdirSync, readFileSync } from 'node:fs'

/** One row of /proc (proc_pid_stat(5)); zombies are left out, they run nothing. */
export interface ProcessRow {
  readonly pid: number
  readonly name: string
  readonly group: number
  readonly session: number
  /** Clock ticks between boot and its start: with the pid, it names a process for ever. */
  readonly startedAt: string
}

/** True while a process of that id exists and is no zombie. */
export function isAlive(pid: number): boolean {
  return processRow(pid) !== undefined
}

/** The row of one process; undefined when it is gone or a zombie. */
export function processRow(pid: number): ProcessRow | undefined {
  const stat = textOf(`/proc/${pid}/stat`)
  // The name stands in parentheses and may itself hold spaces and parentheses.
  const end = stat.lastIndexOf(')')
  if (end === -1) return undefined
  const fields = stat.slice(end + 2).split(' ')
  const [state, , group, session] = fields
  if (state === 'Z' || state === 'X') return undefined
  return {
    pid,
    name: stat.slice(stat.indexOf('(') + 1, end),
    group: Number(group),
    session: Number(session),
    startedAt: fields[19] ?? '',
  }
}

/** Everything that `leader` (a session leader) has started and that still lives, itself included. */
export function descendantsInSession(leader: number): ProcessRow[] {
  return allProcesses().filter((row) => row.session === leader || row.group === leader)
}

function allProcesses(): ProcessRow[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => processRow(Number(entry)))
    .filter((row) => row !== undefined)
}

/** Files of /proc vanish with their process: what cannot be read is empty. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
