import { once } from 'node:events'
import { join } from 'node:path'
import { startGuardian } from './guardian.ts'
import type { Part } from './part.ts'
import { checkPorts } from './ports.ts'
import { KILL_AFTER_MS, type PartEvent, type RunningPart, runPart } from './running-part.ts'

/** Where a supervisor keeps the logs and whom it tells what happens. */
export interface SupervisorOptions {
  /** Folder of the parts' logs, `<part>.log` each. */
  readonly logs: string
  readonly tell: (event: PartEvent) => void
}

/** Parts under supervision. */
export interface Supervised {
  /** Resolves when every part has served once; rejects, with everything stopped, when one cannot start. */
  readonly ready: Promise<void>
  /** The part of that name; throws when there is none. */
  part(name: string): RunningPart
  /** Stops everything within 5 s, parts before those they need; no process is left. */
  stop(): Promise<void>
  /** SIGKILL to everything, at once. */
  kill(): void
}

/**
 * Starts the parts, each when those it needs are ready, and keeps them running until `stop`. They do not outlive
 * this process, however it ends. Throws before anything starts when a port is taken, or when a name in `needs` is unknown.
 */
export async function supervise(parts: readonly Part[], options: SupervisorOptions): Promise<Supervised> {
  checkNeeds(parts)
  const order = inOrder(parts)
  await checkPorts(parts.flatMap((part) => part.ports))
  const guardian = startGuardian((how) => options.tell({ kind: 'said', part: 'guardian', line: guardianLost(how) }))
  const running = new Map<string, RunningPart>()
  const readiness = new Map<string, Promise<void>>()
  let stopped = false
  const tell = (event: PartEvent) => {
    options.tell(event)
    if (event.kind === 'started' || event.kind === 'ended') guardian.guard(leadersOf(running))
  }
  const start = async (part: Part): Promise<void> => {
    await Promise.all(part.needs.map((name) => readiness.get(name)))
    if (stopped) throw new Error(`${part.name} was not started`)
    const process = runPart(part, join(options.logs, `${part.name}.log`), tell)
    running.set(part.name, process)
    await process.firstReady
  }
  const stop = async () => {
    stopped = true
    await stopInOrder(order, running)
    await guardian.dismiss()
  }
  for (const part of order) readiness.set(part.name, start(part))
  return { ready: allReady([...readiness.values()], stop), part: lookup(running), stop, kill: () => killAll(running) }
}

/** A part that outstays its welcome leaves this much to those it needs, ms. */
const LEFT_FOR_NEEDED_MS = 1_000

/** PostgreSQL, say, ends after its client has written what it had. All have {@link KILL_AFTER_MS} together. */
async function stopInOrder(order: readonly Part[], running: ReadonlyMap<string, RunningPart>): Promise<void> {
  const killAt = Date.now() + KILL_AFTER_MS
  const ends = new Map<string, Promise<void>>()
  const stop = async ({ name }: Part, users: readonly Promise<void>[]) => {
    const patience = AbortSignal.timeout(Math.max(0, killAt - LEFT_FOR_NEEDED_MS - Date.now()))
    await Promise.race([Promise.allSettled(users), once(patience, 'abort')])
    await running.get(name)?.stop(Math.max(0, killAt - Date.now()))
  }
  for (const part of order.toReversed()) {
    const users = order.filter((other) => other.needs.includes(part.name)).flatMap(({ name }) => ends.get(name) ?? [])
    ends.set(part.name, stop(part, users))
  }
  await Promise.all(ends.values())
}

function guardianLost(how: string): string {
  return `ended (${how}): if this process is killed now, its parts go on; ending it with Ctrl-C still ends them`
}

function leadersOf(running: ReadonlyMap<string, RunningPart>): number[] {
  return [...running.values()].flatMap((part) => part.pid() ?? [])
}

async function allReady(all: readonly Promise<void>[], stop: () => Promise<void>): Promise<void> {
  try {
    await Promise.all(all)
  } catch (error) {
    await stop()
    throw error
  }
}

function lookup(running: ReadonlyMap<string, RunningPart>): (name: string) => RunningPart {
  return (name) => {
    const part = running.get(name)
    if (part === undefined)
      throw new Error(`there is no running part "${name}"; there are ${[...running.keys()].join(', ')}`)
    return part
  }
}

function killAll(running: ReadonlyMap<string, RunningPart>): void {
  for (const part of running.values()) part.kill()
}

function checkNeeds(parts: readonly Part[]): void {
  const names = new Set(parts.map((part) => part.name))
  for (const part of parts) {
    const unknown = part.needs.find((name) => !names.has(name))
    if (unknown !== undefined) throw new Error(`part ${part.name} needs "${unknown}", which is not started`)
  }
}

/** Parts after those they need; throws when they need each other in a circle. */
function inOrder(parts: readonly Part[]): readonly Part[] {
  const placed: Part[] = []
  let waiting = [...parts]
  while (waiting.length > 0) {
    const names = new Set(placed.map((part) => part.name))
    const next = waiting.filter((part) => part.needs.every((name) => names.has(name)))
    if (next.length === 0)
      throw new Error(`parts need each other in a circle: ${waiting.map((part) => part.name).join(', ')}`)
    placed.push(...next)
    waiting = waiting.filter((part) => !next.includes(part))
  }
  return placed
}
