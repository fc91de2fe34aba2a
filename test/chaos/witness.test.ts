import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { Witness } from './witness.ts'

let folder: string | undefined
afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true })
})

test('what was deleted or renamed is still there, with all that was ever written to it', async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-witness-'))
  const audit = join(folder, 'audit')
  await mkdir(join(audit, 'spool/0'), { recursive: true })
  await mkdir(join(audit, 'access'))
  const witness = new Witness(audit, join(folder, 'witness'))
  const segment = join(audit, 'spool/0/00000000000000000001.seg')
  const log = join(audit, 'access/access.log')
  await writeFile(segment, 'one ')
  await writeFile(log, 'line 1\n')
  const kept = join(witness.spools, '0/00000000000000000001.seg')
  await until('a second name of both', async () => {
    const [name] = await readdir(witness.logs)
    return name !== undefined && (await readFile(kept, 'utf8')) === 'one '
  })
  await appendFile(segment, 'two')
  await rm(segment)
  await rename(log, join(audit, 'access/access.000000000000001.rotated.log'))
  await writeFile(log, 'line 2\n')
  await witness.stop()
  expect(await readFile(kept, 'utf8')).toBe('one two')
  const logs = await Promise.all(
    (await readdir(witness.logs)).map((name) => readFile(join(witness.logs, name), 'utf8')),
  )
  expect(logs.toSorted()).toEqual(['line 1\n', 'line 2\n'])
})
