import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Watch, watchFiles } from '../../xds-server/watch.ts'
import { until } from '../support/until.ts'

let root: string
let watch: Watch
let told = 0

/** Waits for a telling that follows `act`. */
async function tells(what: string, act: () => Promise<unknown>): Promise<void> {
  const before = told
  await act()
  await until(what, () => told > before, 3_000)
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sallyport-watch-'))
  await mkdir(join(root, 'definitions'))
  await mkdir(join(root, 'elsewhere'))
  told = 0
  watch = await watchFiles(
    { folders: [join(root, 'definitions')], files: [join(root, 'elsewhere/bindings.json')] },
    () => {
      told += 1
    },
    (error) => {
      throw error
    },
  )
})

afterEach(async () => {
  await watch.close()
  await rm(root, { recursive: true })
})

test('a definition that is added, changed or removed is told', async () => {
  const file = join(root, 'definitions/a.ts')
  await tells('the new file', () => writeFile(file, '1'))
  await tells('the change', () => writeFile(file, '22'))
  await tells('the removal', () => rm(file))
})

test('a file that is missing now and comes later by a rename is told, and again when it is replaced', async () => {
  const file = join(root, 'elsewhere/bindings.json')
  for (const text of ['1', '22', '333']) {
    await writeFile(join(root, 'elsewhere/new'), text)
    await tells(`replacement by ${text}`, () => rename(join(root, 'elsewhere/new'), file))
  }
})

test('a burst of writes is told once, and a busy file is told all the same', async () => {
  const file = join(root, 'definitions/a.ts')
  await tells('the burst', async () => {
    for (let at = 0; at < 20; at++) await writeFile(file, `${at}`)
  })
  expect(told).toBe(1)
  const stop = performance.now() + 1_200
  for (let at = 0; performance.now() < stop; at++) {
    await writeFile(file, `again ${at}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(told).toBeGreaterThanOrEqual(3)
})

test('neighbours of a single file are not told', async () => {
  await writeFile(join(root, 'elsewhere/other.json'), '1')
  await tells('the file itself', () => writeFile(join(root, 'elsewhere/bindings.json'), '1'))
  expect(told).toBe(1)
})

test('after a retarget the new files are told and the old ones are not', async () => {
  await mkdir(join(root, 'certificates'))
  const file = join(root, 'certificates/edge.pem')
  watch.retarget({ folders: [join(root, 'definitions')], files: [file] })
  await until(
    'the new file',
    async () => {
      await writeFile(file, `${performance.now()}`)
      return told > 0
    },
    3_000,
  )
  const before = told
  await writeFile(join(root, 'elsewhere/bindings.json'), '1')
  await tells('a definition', () => writeFile(join(root, 'definitions/a.ts'), '1'))
  expect(told).toBeLessThanOrEqual(before + 2)
})
