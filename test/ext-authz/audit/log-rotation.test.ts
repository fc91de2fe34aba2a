import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { rotateLog } from '../../../ext-authz/audit/log-rotation.ts'
import { endedLog, LIVE_LOG, oldLog, rotatedLog } from '../../../runtime/access-log-names.ts'
import { freePorts } from '../../support/free-ports.ts'
import { http } from '../../support/http.ts'
import { type LoneEnvoy, startLoneEnvoy } from '../../support/lone-envoy.ts'
import { SteadyLoad } from '../../support/steady-load.ts'
import { until } from '../../support/until.ts'
import { gateway, listener, route, upstream } from '../../xds-server/translate/compiled.ts'

describe('AU-1 with a real Envoy', () => {
  let envoy: LoneEnvoy

  beforeAll(async () => {
    envoy = await startLoneEnvoy(
      (at) => ({
        listeners: [listener({ port: at.http })],
        gateways: [gateway([route('/items')], { upstreams: [upstream('plant', { port: at.upstream })] })],
      }),
      () => ({ status: { code: 0 }, ok_response: {} }),
    )
  })
  afterAll(() => envoy?.stop())

  const rotate = (maxBytes: number) =>
    rotateLog({ file: envoy.accessLog, adminUrl: envoy.adminUrl, maxBytes, now: Date.now })
  const allLogged = (count: number) =>
    until(`${count} lines`, async () => (await envoy.logLines()).length >= count && true)

  test('rotation under load loses no line and writes none twice', async () => {
    const load = new SteadyLoad(200)
    load.target('items', { port: envoy.places.http, path: '/items' })
    let rotations = 0
    await until('five rotations', async () => {
      if ((await rotate(20_000)) === 'rotated') rotations += 1
      return rotations >= 5
    })
    const { sent, failures } = await load.stop()
    expect(failures).toEqual({})
    await allLogged(sent)
    const lines = await envoy.logLines()
    expect(lines).toHaveLength(sent)
    expect(new Set(lines.map(({ request_id }) => request_id)).size).toBe(sent)
    const files = await envoy.logFiles()
    expect(files.filter((name) => oldLog(name)?.ended === false)).toHaveLength(rotations)
    expect(files.filter((name) => oldLog(name)?.ended === true)).toEqual([])
  })

  test('a log that is small enough is left alone', async () => {
    const { size } = await stat(envoy.accessLog)
    expect(await rotate(size + 1)).toBe('fits')
  })

  test('an Envoy that is stopped meanwhile goes on in the renamed file, and opens a new one when it is asked again', async () => {
    const pid = envoy.envoy.pid()
    if (pid === undefined) throw new Error('Envoy does not run')
    const before = (await envoy.logLines()).length
    process.kill(pid, 'SIGSTOP')
    try {
      expect(await rotate(0)).toBe('unopened')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    expect((await http({ port: envoy.places.http, path: '/items' })).status).toBe(200)
    expect(await rotate(1_000_000)).not.toBe('unopened')
    expect((await http({ port: envoy.places.http, path: '/items' })).status).toBe(200)
    await allLogged(before + 2)
    expect(await envoy.logLines()).toHaveLength(before + 2)
    expect(await envoy.logText(LIVE_LOG)).not.toBe('')
  })

  test('an Envoy that dies before it opened a new log: the supervisor marks the end, the next one writes', async () => {
    const pid = envoy.envoy.pid()
    if (pid === undefined) throw new Error('Envoy does not run')
    const before = (await envoy.logLines()).length
    process.kill(pid, 'SIGSTOP')
    const unopened = await rotate(0)
    process.kill(pid, 'SIGKILL')
    expect(unopened).toBe('unopened')
    const close = [['Connection', 'close']] as const
    await until(
      'the next Envoy',
      async () => (await http({ port: envoy.places.http, path: '/items', headers: close })).status === 200,
    )
    await allLogged(before + 1)
    const renamed = (await envoy.logFiles()).flatMap((name) => oldLog(name) ?? [])
    expect(renamed.slice(-2).map(({ ended }) => ended)).toEqual([false, true])
  })
})

describe('AU-1 the decision to rotate', () => {
  let folder: string
  let asked: string[]
  const admin = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.end('OK\n')
  })
  const adminUrl = () => `http://127.0.0.1:${(admin.address() as AddressInfo).port}`
  const file = () => join(folder, LIVE_LOG)
  const folders: string[] = []

  beforeAll(() => new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve)))
  beforeEach(async () => {
    asked = []
    folder = await mkdtemp(join(tmpdir(), 'sallyport-rotation-'))
    folders.push(folder)
  })
  afterAll(async () => {
    admin.closeAllConnections()
    admin.close()
    for (const made of folders) await rm(made, { recursive: true })
  })

  const rotate = (now = 1_000) => rotateLog({ file: file(), adminUrl: adminUrl(), maxBytes: 10, now: () => now })

  test('at the size, and not below', async () => {
    await writeFile(file(), '123456789')
    expect([await rotate(), await readdir(folder), asked]).toEqual(['fits', [LIVE_LOG], []])
    await writeFile(file(), '1234567890')
    expect([await rotate(), await readdir(folder)]).toEqual(['rotated', [rotatedLog(1_000)]])
    expect(asked).toEqual(['POST /reopen_logs'])
  })

  test('overwrites no log, at the same moment or with a clock that went back', async () => {
    await writeFile(join(folder, rotatedLog(5_000)), 'old')
    await writeFile(file(), '1234567890')
    expect(await rotate(1_000)).toBe('rotated')
    expect((await readdir(folder)).toSorted()).toEqual([rotatedLog(5_000), rotatedLog(5_001)])
  })

  test('without a live log it asks for one, whether it was rotated, removed, or never there', async () => {
    await writeFile(join(folder, rotatedLog(1)), '')
    expect([await rotate(), asked]).toEqual(['rotated', ['POST /reopen_logs']])
    await writeFile(join(folder, endedLog(2)), '')
    asked = []
    expect([await rotate(), asked]).toEqual(['rotated', ['POST /reopen_logs']])
  })

  test('a folder that was removed is made again, and Envoy opens its log there', async () => {
    await rm(folder, { recursive: true })
    expect([await rotate(), asked]).toEqual(['rotated', ['POST /reopen_logs']])
    expect((await stat(folder)).isDirectory()).toBe(true)
  })

  test('with nobody at the admin port it gives up soon and says so', async () => {
    const [port = 0] = await freePorts(1)
    await writeFile(file(), '1234567890')
    const adminUrl = `http://127.0.0.1:${port}`
    expect(await rotateLog({ file: file(), adminUrl, maxBytes: 10, now: () => 1 })).toBe('unopened')
  })
})
