import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endedLog, LIVE_LOG, newestOldLog, nextEpochMs, oldLog, rotatedLog } from '../../../runtime/access-log-names.ts'
import { endEnvoyLog } from '../../../runtime/embedded/envoy-log.ts'
import { http } from '../../support/http.ts'
import { type LoneEnvoy, lineOf, startLoneEnvoy } from '../../support/lone-envoy.ts'
import { until } from '../../support/until.ts'
import { gateway, listener, route, upstream } from '../../xds-server/translate/compiled.ts'
import { temporaryFolder } from './temporary-folder.ts'

describe('names of logs', () => {
  test('say when and why, sort by age, and are told from other files', () => {
    expect(oldLog(endedLog(1_700_000_000_000))).toEqual({ epochMs: 1_700_000_000_000, ended: true })
    expect(oldLog(rotatedLog(5))).toEqual({ epochMs: 5, ended: false })
    expect([endedLog(10), rotatedLog(9), endedLog(1_700_000_000_000)].toSorted()).toEqual([
      rotatedLog(9),
      endedLog(10),
      endedLog(1_700_000_000_000),
    ])
    for (const other of [LIVE_LOG, 'access.1.ended.log', `${endedLog(1)}.gz`, '']) expect(oldLog(other)).toBeUndefined()
  })

  test('are never taken twice and never go back, whatever the clock does', () => {
    const names = ['other', LIVE_LOG, endedLog(100), rotatedLog(200)]
    expect(newestOldLog(names)).toEqual({ epochMs: 200, ended: false })
    expect(nextEpochMs(names, 150)).toBe(201)
    expect(nextEpochMs(names, 200)).toBe(201)
    expect(nextEpochMs(names, 300)).toBe(300)
    expect(nextEpochMs([], 7)).toBe(7)
  })
})

describe('AU-1 the log of the Envoy before', () => {
  let logs: string
  let file: string

  /** A folder of logs with these files in it. */
  async function logsWith(files: Readonly<Record<string, string>>): Promise<void> {
    logs = join(temporaryFolder(), 'logs')
    file = join(logs, LIVE_LOG)
    await mkdir(logs)
    for (const [name, text] of Object.entries(files)) await writeFile(join(logs, name), text)
  }
  const contents = async () =>
    Object.fromEntries(
      await Promise.all((await readdir(logs)).map(async (name) => [name, await readFile(join(logs, name), 'utf8')])),
    )

  test('is renamed as ended', async () => {
    await logsWith({ [LIVE_LOG]: 'a line\n' })
    await endEnvoyLog(file, () => 1_000)
    expect(await contents()).toEqual({ [endedLog(1_000)]: 'a line\n' })
  })

  test('overwrites no other, at the same moment or with a clock that went back', async () => {
    await logsWith({ [LIVE_LOG]: 'new\n', [endedLog(1_000)]: 'old\n', [rotatedLog(2_000)]: 'newer\n' })
    await endEnvoyLog(file, () => 1_000)
    expect(await contents()).toEqual({
      [endedLog(1_000)]: 'old\n',
      [rotatedLog(2_000)]: 'newer\n',
      [endedLog(2_001)]: 'new\n',
    })
  })

  test('is ended by an empty one where it was rotated and no new one opened', async () => {
    await logsWith({ [rotatedLog(1_000)]: 'a line\n' })
    await endEnvoyLog(file, () => 2_000)
    expect(await contents()).toEqual({ [rotatedLog(1_000)]: 'a line\n', [endedLog(2_000)]: '' })
  })

  test.each([[{}], [{ [endedLog(1_000)]: 'a line\n' }]])('is nothing where there was none: %j', async (files) => {
    await logsWith(files)
    await endEnvoyLog(file, () => 2_000)
    expect(await contents()).toEqual(files)
  })

  test('gets its folder, which nobody else may read', async () => {
    file = join(temporaryFolder(), 'new', 'access', LIVE_LOG)
    await endEnvoyLog(file, () => 1)
    expect((await stat(join(file, '..'))).mode & 0o777).toBe(0o700)
  })

  test('in a place that cannot be a folder is an error that names the place', async () => {
    await logsWith({ file: '' })
    await expect(endEnvoyLog(join(logs, 'file', LIVE_LOG), () => 3)).rejects.toThrow(join(logs, 'file'))
  })
})

describe('AU-1 a real Envoy', () => {
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

  test('that is killed leaves an ended log with all that it answered; the next one writes a log of its own', async () => {
    const ask = (id: string) =>
      http({
        port: envoy.places.http,
        path: '/items',
        headers: [
          ['X-Correlation-ID', id],
          ['Connection', 'close'],
        ],
      })
    expect((await ask('before')).status).toBe(200)
    await lineOf(envoy, 'before')
    const killed = envoy.envoy.pid()
    if (killed === undefined) throw new Error('Envoy does not run')
    const at = Date.now()
    process.kill(killed, 'SIGKILL')
    await until('the next Envoy to answer', async () => (await ask('after')).status === 200)
    await lineOf(envoy, 'after')
    const [ended = '', ...others] = await envoy.logFiles()
    expect(others).toEqual([LIVE_LOG])
    expect(oldLog(ended)).toEqual({ ended: true, epochMs: expect.any(Number) })
    expect(oldLog(ended)?.epochMs).toBeGreaterThanOrEqual(at)
    expect(await envoy.logText(ended)).toContain('"before"')
    expect(await envoy.logText(ended)).not.toContain('"after"')
  })
})
