import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Part } from '../../../runtime/embedded/part.ts'
import { environmentFor } from '../../../runtime/embedded/part.ts'
import { descendantsInSession, isAlive } from '../../../runtime/embedded/processes.ts'
import { type PartEvent, restartDelay } from '../../../runtime/embedded/running-part.ts'
import { supervise } from '../../../runtime/embedded/supervisor.ts'
import { freePorts } from '../../support/free-ports.ts'
import { until } from '../../support/until.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A part that runs a shell script; it counts as ready when the script has made the file `$READY`. */
function scripted(folder: string, name: string, script: string, more: Partial<Part> = {}): Part {
  const file = join(folder, `${name}.ready`)
  return {
    name,
    needs: [],
    ports: [],
    command: () => {
      rmSync(file, { force: true })
      return { file: '/bin/sh', args: ['-c', script], env: environmentFor({ READY: file, FOLDER: folder }) }
    },
    probe: async () => (existsSync(file) ? 'here' : undefined),
    ...more,
  }
}

async function supervised(folder: string, parts: readonly Part[]) {
  const events: PartEvent[] = []
  const options = {
    logs: join(folder, 'log'),
    tell: (event: PartEvent) => void events.push(event),
  }
  const running = await supervise(parts, options)
  onTestFinished(running.stop)
  return { ...running, events, kinds: () => events.filter(({ kind }) => kind !== 'started').map(({ kind }) => kind) }
}

const STAYS = 'touch $READY; exec sleep 600'

test('parts start after those they need', async () => {
  const folder = temporaryFolder()
  const order = (name: string, needs: string[]) =>
    scripted(folder, name, `${needs.length === 0 ? 'sleep 0.2; ' : ''}echo ${name} >> $FOLDER/order; ${STAYS}`, {
      needs,
    })
  const { ready } = await supervised(folder, [
    order('last', ['middle']),
    order('middle', ['first']),
    order('first', []),
  ])
  await ready
  expect(readFileSync(join(folder, 'order'), 'utf8')).toBe('first\nmiddle\nlast\n')
})

test('a crashed part is restarted at once, and says how it ended', async () => {
  const folder = temporaryFolder()
  const { ready, part, events } = await supervised(folder, [scripted(folder, 'worker', STAYS)])
  await ready
  const first = part('worker').pid() ?? 0
  process.kill(first, 'SIGKILL')
  await until('a second ready', () => events.find((event) => event.kind === 'ready' && event.restarts === 1))
  expect(events).toContainEqual({ kind: 'ended', part: 'worker', how: 'SIGKILL', nextStartMs: 0 })
  expect(part('worker').pid()).not.toBe(first)
})

test('restarts in a row wait 0, 100, 200 … at most 5,000 ms', () => {
  expect([0, 1, 2, 3, 6, 7, 50].map(restartDelay)).toEqual([0, 100, 200, 400, 3200, 5000, 5000])
})

test('a part that keeps crashing is started again later each time', async () => {
  const folder = temporaryFolder()
  const { ready, events } = await supervised(folder, [scripted(folder, 'worker', 'touch $READY; sleep 0.05; exit 7')])
  await ready
  const ends = await until('three ends', () => {
    const seen = events.filter((event) => event.kind === 'ended')
    return seen.length >= 3 ? seen.slice(0, 3) : undefined
  })
  expect(ends.map(({ how, nextStartMs }) => [how, nextStartMs])).toEqual([
    ['exit code 7', 0],
    ['exit code 7', 100],
    ['exit code 7', 200],
  ])
})

test('what a crashed part left running is ended before it starts again', async () => {
  const folder = temporaryFolder()
  const leaves = `sleep 600 & echo $! >> $FOLDER/children; ${STAYS}`
  const { ready, part, events } = await supervised(folder, [scripted(folder, 'worker', leaves)])
  await ready
  process.kill(part('worker').pid() ?? 0, 'SIGKILL')
  await until('a second ready', () => events.find((event) => event.kind === 'ready' && event.restarts === 1))
  const children = readFileSync(join(folder, 'children'), 'utf8').trim().split('\n').map(Number)
  expect(children.map(isAlive)).toEqual([false, true])
})

test('stop leaves no process: no child, no grandchild, none that ignores SIGTERM', { timeout: 15_000 }, async () => {
  const folder = temporaryFolder()
  const grandchild = '/bin/sh -c "sleep 600 & sleep 600" &'
  const stubborn = "trap '' TERM; touch $READY; while :; do sleep 600; done"
  const { ready, part, stop } = await supervised(folder, [
    scripted(folder, 'parent', `${grandchild} ${STAYS}`),
    scripted(folder, 'stubborn', stubborn),
  ])
  await ready
  const leaders = ['parent', 'stubborn'].map((name) => part(name).pid() ?? 0)
  await until('both to have children', () => leaders.every((leader) => descendantsInSession(leader).length > 1))
  const started = Date.now()
  await stop()
  expect(Date.now() - started).toBeLessThan(5_000)
  expect(leaders.flatMap(descendantsInSession)).toEqual([])
})

test('a part ends before those it needs, and one that does not end leaves them time to: all within 5 s', async () => {
  const folder = temporaryFolder()
  const says = (name: string, more = '') =>
    `trap 'echo ${name} >> $FOLDER/ends; ${more} exit 0' TERM; touch $READY; while :; do sleep 0.05; done`
  const deaf = "trap '' TERM; touch $READY; while :; do sleep 600; done"
  const { ready, stop } = await supervised(folder, [
    scripted(folder, 'store', says('store')),
    scripted(folder, 'client', says('client', 'sleep 0.3; echo written >> $FOLDER/ends;'), { needs: ['store'] }),
    scripted(folder, 'source', deaf),
    scripted(folder, 'stubborn', deaf, { needs: ['source'] }),
  ])
  await ready
  const started = Date.now()
  await stop()
  expect(Date.now() - started).toBeLessThan(5_000)
  expect(readFileSync(join(folder, 'ends'), 'utf8')).toBe('client\nwritten\nstore\n')
})

test('a part that ends before it is ready fails the start with its last words, and the others are stopped', async () => {
  const folder = temporaryFolder()
  const { ready, part } = await supervised(folder, [
    scripted(folder, 'good', STAYS),
    scripted(folder, 'bad', 'echo no such folder >&2; sleep 0.2; exit 3'),
  ])
  const good = part('good').pid() ?? 0
  await expect(ready).rejects.toThrow(/^bad did not start: exit code 3\n {4}no such folder$/)
  expect(descendantsInSession(good)).toEqual([])
})

test('a command that does not exist fails the start with its name', async () => {
  const folder = temporaryFolder()
  const missing = scripted(folder, 'gone', '', { command: () => ({ file: '/no/such/file', args: [], env: {} }) })
  const { ready } = await supervised(folder, [missing])
  await expect(ready).rejects.toThrow(/gone did not start: spawn \/no\/such\/file ENOENT/)
})

test('a taken port is reported with its holder and the setting to change, before anything starts', async () => {
  const folder = temporaryFolder()
  const server = createServer()
  const [port = 0] = await freePorts(1)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const uses = [{ address: '127.0.0.1', port, setting: 'SALLYPORT_HTTP_PORT' }]
  const start = supervised(folder, [
    scripted(folder, 'other', STAYS),
    scripted(folder, 'taken', STAYS, { ports: uses }),
  ])
  await expect(start).rejects.toThrow(
    new RegExp(
      `^port ${port} is taken by .+ \\(pid ${process.pid}\\): stop it, or set SALLYPORT_HTTP_PORT to another port$`,
    ),
  )
  expect(existsSync(join(folder, 'other.ready'))).toBe(false)
})

test('parts do not outlive a supervisor that is killed', async () => {
  const folder = temporaryFolder()
  const script = join(folder, 'supervisor.ts')
  const root = join(import.meta.dirname, '../../../runtime/embedded')
  writeFileSync(
    script,
    `import { supervise } from '${root}/supervisor.ts'
     const part = { name: 'orphan', needs: [], ports: [], probe: async () => 'here',
       command: () => ({ file: '/bin/sh', args: ['-c', 'sleep 600 & exec sleep 600'], env: {} }) }
     const { ready, part: of } = await supervise([part], { logs: '${folder}/log', tell: () => {} })
     await ready
     process.stdout.write(String(of('orphan').pid()))`,
  )
  const killed = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void killed.kill('SIGKILL'))
  const orphan = Number(await new Promise((resolve) => killed.stdout.once('data', resolve)))
  // The part counts as ready before its shell has started anything.
  await until('its parts to be there', () => descendantsInSession(orphan).length === 2)
  killed.kill('SIGKILL')
  await until('its parts to be gone', () => descendantsInSession(orphan).length === 0)
})

test('a log line of a part reaches its file, and the terminal only where the part shows it', async () => {
  const folder = temporaryFolder()
  const show = (line: string) => (line.startsWith('!') ? line : undefined)
  const { ready, events } = await supervised(folder, [
    scripted(folder, 'loud', `echo quiet; echo '!look'; ${STAYS}`, { show }),
  ])
  await ready
  await until('the shown line', () => events.find((event) => event.kind === 'said'))
  expect(events.filter((event) => event.kind === 'said')).toEqual([{ kind: 'said', part: 'loud', line: '!look' }])
  expect(readFileSync(join(folder, 'log/loud.log'), 'utf8')).toBe('quiet\n!look\n')
})

test('a log that cannot be written costs its lines, not the supervisor, and goes on when it can', async () => {
  const folder = temporaryFolder()
  const { ready, events, part } = await supervised(folder, [
    scripted(folder, 'loud', `echo one; touch $READY; while sleep 0.05; do echo more; done`),
  ])
  await ready
  const log = join(folder, 'log')
  rmSync(log, { recursive: true })
  writeFileSync(log, 'no folder')
  const said = (what: string) => events.find((event) => event.kind === 'said' && event.line.includes(what))
  await until('the loss to be told', () => said('loud.log: lines are lost'))
  expect(isAlive(part('loud').pid() ?? 0)).toBe(true)
  rmSync(log)
  await until('the return to be told', () => said('lines are missing'))
  await until('a line in the new file', () => readFileSync(join(log, 'loud.log'), 'utf8').includes('more'))
})
