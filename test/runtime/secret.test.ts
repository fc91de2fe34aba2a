import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { createLog } from '../../runtime/log.ts'
import { readSecretFile, Secret } from '../../runtime/secret.ts'
import { temporaryFolder } from './embedded/temporary-folder.ts'

const secret = new Secret('hunter2')

test.each([
  ['String()', () => String(secret)],
  ['a template', () => `${secret}`],
  ['JSON', () => JSON.stringify({ secret })],
  ['inspect, showing hidden things', () => inspect({ secret }, { showHidden: true, depth: 9 })],
  ['format', () => format('%s %o %j', secret, secret, secret)],
  ['its own keys', () => JSON.stringify(Object.getOwnPropertyDescriptors(secret))],
  ['a log line', () => logged({ secret, err: new Error(`with ${secret}`, { cause: secret }) })],
  ['structuredClone', () => inspect(structuredClone({ ...secret }))],
])('a secret does not show in %s', (_, print) => {
  expect(print()).not.toContain('hunter2')
  expect(secret.reveal()).toBe('hunter2')
})

test('names that carry credentials are masked in logs', () => {
  const line = logged({ authorization: 'Bearer x.y.z', request: { cookie: 'sid=hunter2' }, token: 'x.y.z' })
  expect(line).not.toMatch(/x\.y\.z|hunter2/)
})

test('a secret file of mode 0600 is read without its line break, through a link too', async () => {
  const file = join(temporaryFolder(), 'key')
  writeFileSync(file, 'hunter2\n', { mode: 0o600 })
  symlinkSync(file, `${file}-link`)
  expect((await readSecretFile(file)).reveal()).toBe('hunter2')
  expect((await readSecretFile(`${file}-link`)).reveal()).toBe('hunter2')
})

test.each([
  ['others may read it', 'hunter2', 0o604, 'others may read it (mode 0604); run chmod 600'],
  ['its group may read it', 'hunter2', 0o640, 'others may read it (mode 0640)'],
  ['it is empty', '\n', 0o600, 'is empty'],
  ['it is far too big', 'x'.repeat(65_537), 0o600, '65537 bytes, at most 65536 are read'],
])('a secret file is refused when %s', async (_, content, mode, message) => {
  const file = join(temporaryFolder(), 'key')
  writeFileSync(file, content)
  chmodSync(file, mode)
  await expect(readSecretFile(file)).rejects.toThrow(message)
})

test('a secret that is a folder is refused; a group may share one where that is asked for', async () => {
  const folder = join(temporaryFolder(), 'key')
  mkdirSync(folder)
  await expect(readSecretFile(folder)).rejects.toThrow('must be a regular file')
  writeFileSync(join(folder, 'shared'), 'hunter2')
  chmodSync(join(folder, 'shared'), 0o640)
  expect((await readSecretFile(join(folder, 'shared'), { sharedWithGroup: true })).reveal()).toBe('hunter2')
})

function logged(fields: object): string {
  const lines: string[] = []
  createLog('test', 'info', { write: (line) => void lines.push(line) }).info(fields, 'said')
  return lines.join('')
}
