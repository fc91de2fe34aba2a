import { readdirSync, readFileSync } from 'node:fs'

/** `getconf CLK_TCK` on every Linux that runs Envoy: a figure over some seconds is good to 10 ms. */
const TICKS_PER_SECOND = 100

/** CPU time a process has used since it began, user and system, in seconds (proc_pid_stat(5), fields 14 and 15). */
export function cpuSeconds(pid: number): number {
  const [user = Number.NaN, system = Number.NaN] = ticks(pid)
  return (user + system) / TICKS_PER_SECOND
}

/** The same of its children that have ended, and theirs (fields 16 and 17). */
export function cpuSecondsOfEnded(pid: number): number {
  const [, , user = Number.NaN, system = Number.NaN] = ticks(pid)
  return (user + system) / TICKS_PER_SECOND
}

/**
 * CPU time of the threads that a process has now, user and system, in µs. Finer than {@link cpuSeconds}, for short stretches; a thread
 * that ends takes its time with it.
 */
export function cpuMicros(pid: number): number {
  const folder = `/proc/${pid}/task`
  const nanos = readdirSync(folder).map((thread) =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanos.reduce((sum, one) => sum + one, 0) / 1000
}

function ticks(pid: number): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).map(Number)
}

/** Resident memory of a process, MB (10^6 bytes). */
export function residentMb(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return (Number(match?.[1] ?? Number.NaN) * 1024) / 1e6
}
