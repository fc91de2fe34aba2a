import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
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
    for (let at = 0; at < 20; at++) writeFileSync(file, `${at}`)
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

/** Turns a link to another place in one step, as `ln -sfn` and Kubernetes do. */
async function turn(link: string, target: string): Promise<void> {
  await symlink(target, `${link}.new`)
  await rename(`${link}.new`, link)
}

test('XD-3 a folder of definitions that was removed and comes back is told, and so is every edit after', async () => {
  const folder = join(root, 'definitions')
  await tells('the definition', () => writeFile(join(folder, 'a.ts'), '1'))
  await tells('the removal', () => rm(folder, { recursive: true }))
  await tells('the return', async () => {
    await mkdir(folder)
    await writeFile(join(folder, 'a.ts'), '1')
  })
  await tells('an edit', () => writeFile(join(folder, 'a.ts'), '22'))
})

test('RT-2 XD-3 a mounted Secret or ConfigMap is told when its ..data link turns, though the files keep their names', async () => {
  const mount = join(root, 'mount')
  for (const version of ['v1', 'v2', 'v3']) {
    await mkdir(join(mount, `..${version}`), { recursive: true })
    await writeFile(join(mount, `..${version}/tls.crt`), version)
  }
  await symlink('..v1', join(mount, '..data'))
  await symlink('..data/tls.crt', join(mount, 'tls.crt'))
  watch.retarget({ folders: [], files: [join(mount, 'tls.crt')] })
  await tells('the first turn', () => turn(join(mount, '..data'), '..v2'))
  await tells('the second turn', () => turn(join(mount, '..data'), '..v3'))
})

test('XD-3 behind a folder that is a link, edits are told, and the turn of the link', async () => {
  for (const version of ['1', '2']) {
    await mkdir(join(root, 'releases', version), { recursive: true })
    await writeFile(join(root, 'releases', version, 'a.ts'), version)
  }
  await symlink('releases/1', join(root, 'current'))
  watch.retarget({ folders: [join(root, 'current')], files: [] })
  await tells('an edit behind the link', () => writeFile(join(root, 'releases/1/a.ts'), '11'))
  await tells('the turn', () => turn(join(root, 'current'), 'releases/2'))
  await tells('an edit behind the turned link', () => writeFile(join(root, 'releases/2/a.ts'), '22'))
})

test('XD-3 what a definition imports from a folder below is told', async () => {
  const file = join(root, 'definitions/shared/routes.ts')
  await mkdir(join(root, 'definitions/shared'))
  await tells('the import', () => writeFile(file, '1'))
  await tells('an edit of it', () => writeFile(file, '22'))
})

test('to watch one more file is no change of it', async () => {
  await mkdir(join(root, 'certificates'))
  const file = join(root, 'certificates/edge.pem')
  await writeFile(file, '1')
  await tells('a definition', () => writeFile(join(root, 'definitions/a.ts'), '1'))
  watch.retarget({ folders: [join(root, 'definitions')], files: [file] })
  await tells('an edit of the file', () => writeFile(file, '22'))
  expect(told).toBe(2)
})
