import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { inject } from './injector.ts'
import { clock } from './ledger.ts'

/** A process that is started again when it ends, like a part under supervision. */
class Respawned {
  child: ChildProcess | undefined
  #ended = false

  constructor() {
    this.#start()
  }

  pids(): number[] {
    return this.child?.pid === undefined ? [] : [this.child.pid]
  }

  end(): void {
    this.#ended = true
    this.child?.kill('SIGKILL')
  }

  #start(): void {
    this.child = spawn('sleep', ['60'])
    this.child.once('exit', () => {
      this.child = undefined
      if (!this.#ended) setTimeout(() => this.#start(), 20)
    })
  }
}

let part: Respawned | undefined
afterEach(() => part?.end())

const options = () => ({ seed: 1, signal: new AbortController().signal, say: () => undefined })
const stateOf = (pid: number) => /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]

test('a kill ends the process of that moment and notes when an Envoy died', async () => {
  const envoy = new Respawned()
  part = envoy
  const before = envoy.pids()
  const started = clock()
  const targets = { pids: () => envoy.pids(), cutCommit: () => Promise.resolve() }
  const done = await inject([{ kind: 'kill', victim: 'envoy', atMs: 50 }], targets, options())
  expect(envoy.pids()).not.toEqual(before)
  expect(done).toMatchObject({ counts: { 'kill envoy': 1 }, failed: [] })
  expect(done.envoyKills.map((at) => at >= started + 50)).toEqual([true])
})

test('a stopped process stands still for its time and goes on, also when the run is ended early', async () => {
  const worker = new Respawned()
  part = worker
  const [pid = 0] = worker.pids()
  const ending = new AbortController()
  const targets = { pids: () => worker.pids(), cutCommit: () => Promise.resolve() }
  const plan = [{ kind: 'stop', victim: 'worker', atMs: 0, lastsMs: 60_000 }] as const
  const done = inject(plan, targets, { ...options(), signal: ending.signal })
  await until('it to stand still', () => stateOf(pid) === 'T')
  ending.abort()
  expect((await done).counts).toEqual({ 'stop worker': 1 })
  await until('it to go on', () => stateOf(pid) === 'S')
})

test('a fault that cannot be made is told, and the others are made', async () => {
  const recorder = new Respawned()
  part = recorder
  const targets = { pids: () => recorder.pids(), cutCommit: () => Promise.reject(new Error('no proxy')) }
  const plan = [
    { kind: 'cut', victim: 'commit', atMs: 0 },
    { kind: 'kill', victim: 'recorder', atMs: 10 },
  ] as const
  const done = await inject(plan, targets, options())
  expect(done.failed).toEqual(['cut commit at 0 ms: no proxy'])
  expect(done.counts).toEqual({ 'kill recorder': 1 })
})
