import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../support/until.ts'
import { temporaryFolder } from './embedded/temporary-folder.ts'

const RUNTIME = join(import.meta.dirname, '../../runtime')

/** Starts a process that drains the given closers, sends it the signals, and gives what it said and how it ended. */
async function drained(closers: string, signals: readonly NodeJS.Signals[]) {
  const file = join(temporaryFolder(), 'main.ts')
  writeFileSync(
    file,
    `import { drainOnSignal } from '${RUNTIME}/drain.ts'
     import { createHealth } from '${RUNTIME}/health.ts'
     import { createLog } from '${RUNTIME}/log.ts'
     const health = createHealth('nothing')
     const log = createLog('test', 'info')
     health.watch((phase) => log.info(phase.at))
     const say = (name) => () => log.info('closed ' + name)
     drainOnSignal({ health, log, deadlineMs: 300, closers: [${closers}] })
     setInterval(() => {}, 1000)
     log.info('up')`,
  )
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const end = new Promise((resolve) => child.once('exit', (code) => resolve(code)))
  await until('up', () => said.includes('"up"'))
  for (const signal of signals) {
    child.kill(signal)
    await until('draining', () => said.includes('"draining"'))
  }
  const code = await end
  const messages = said
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line).msg)
  return { code, messages: messages.slice(2) }
}

test('SIGTERM: not ready first, then each door in order, exit 0', async () => {
  const { code, messages } = await drained(
    `{ name: 'a', close: say('a') }, { name: 'b', close: async () => say('b')() }`,
    ['SIGTERM'],
  )
  expect([code, messages]).toEqual([0, ['draining', 'draining', 'closed a', 'closed b']])
})

test('a closer that fails is named, the others still close, exit 1', async () => {
  const { code, messages } = await drained(
    `{ name: 'a', close: () => { throw new Error('broken') } }, { name: 'b', close: say('b') }`,
    ['SIGINT'],
  )
  expect([code, messages]).toEqual([1, ['draining', 'draining', 'a failed to close', 'closed b']])
})

test('a closer that hangs is named at the deadline, exit 1', async () => {
  const { code, messages } = await drained(`{ name: 'a', close: () => new Promise(() => {}) }`, ['SIGTERM'])
  expect([code, messages.at(-1)]).toEqual([1, 'a did not close in 300 ms'])
})

test('a second signal ends the process at once', async () => {
  const { code, messages } = await drained(`{ name: 'a', close: () => new Promise(() => {}) }`, ['SIGTERM', 'SIGTERM'])
  expect([code, messages.at(-1)]).toEqual([1, 'draining'])
})
