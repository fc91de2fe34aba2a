import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { dataFolder } from '../../../runtime/embedded/postgres/data-folder.ts'
import { databaseUrls } from '../../../runtime/embedded/postgres/database-file.ts'
import { linkLibraries } from '../../../runtime/embedded/postgres/programs.ts'
import { Secret } from '../../../runtime/secret.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A package of one library with the two links that it needs. */
function packageFolder(): string {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'native/lib'), { recursive: true })
  writeFileSync(join(folder, 'native/lib/libx.so.1.2'), 'x')
  const links = ['native/lib/libx.so', 'native/lib/libx.so.1'].map((target) => ({
    source: 'native/lib/libx.so.1.2',
    target,
  }))
  writeFileSync(join(folder, 'native/pg-symlinks.json'), JSON.stringify(links))
  return folder
}

test('the library links that npm cannot carry are made, by several processes at once, and stay', async () => {
  const folder = packageFolder()
  await Promise.all(Array.from({ length: 8 }, () => linkLibraries(folder)))
  for (const name of ['libx.so', 'libx.so.1']) {
    expect(readlinkSync(join(folder, 'native/lib', name))).toBe('libx.so.1.2')
    expect(readFileSync(join(folder, 'native/lib', name), 'utf8')).toBe('x')
  }
  const before = lstatSync(join(folder, 'native/lib/libx.so.1')).ino
  await linkLibraries(folder)
  expect(lstatSync(join(folder, 'native/lib/libx.so.1')).ino).toBe(before)
})

test('links that are there are enough where nothing may be written', async () => {
  const folder = packageFolder()
  await linkLibraries(folder)
  const lib = join(folder, 'native/lib')
  const { mtimeMs } = statSync(lib)
  chmodSync(lib, 0o555)
  await linkLibraries(folder)
  chmodSync(lib, 0o755)
  // Root may write anywhere; that it did not even try shows in the folder's time.
  expect(statSync(lib).mtimeMs).toBe(mtimeMs)
})

test('a link that cannot be made says which, and what to run', async () => {
  const folder = packageFolder()
  const at = join(folder, 'native/lib/libx.so')
  symlinkSync('nowhere', at)
  await expect(linkLibraries(folder)).rejects.toThrow(`${at}: this link of the installed PostgreSQL is missing`)
})

const NOBODY = { uid: 65_534, gid: 65_534 }

test("data is in the state folder, which root's server may pass and not list", async () => {
  const parent = temporaryFolder()
  chmodSync(parent, 0o711)
  const state = join(parent, 'state')
  mkdirSync(state, { mode: 0o700 })
  const elsewhere = join(temporaryFolder(), 'elsewhere')
  expect(await dataFolder(state, undefined, elsewhere)).toBe(join(state, 'postgres'))
  expect(statSync(state).mode & 0o777).toBe(0o700)
  expect(await dataFolder(state, NOBODY, elsewhere)).toBe(join(state, 'postgres'))
  expect(statSync(state).mode & 0o777).toBe(0o701)
})

test("data is where root's server can reach it when the state folder lies below a closed one", async () => {
  const closed = temporaryFolder()
  const state = join(closed, 'state')
  mkdirSync(state, { mode: 0o700 })
  const elsewhere = join(temporaryFolder(), 'elsewhere')
  const data = await dataFolder(state, NOBODY, elsewhere)
  expect(dirname(data)).toBe(elsewhere)
  expect(await dataFolder(state, NOBODY, elsewhere)).toBe(data)
  expect(statSync(state).mode & 0o777).toBe(0o700)
})

const texts = (urls: Awaited<ReturnType<typeof databaseUrls>>) =>
  [urls.owner, urls.writer, urls.maintainer, urls.reader].map((url) => url.reveal())

test('database.json is for its owner only, has four different passwords, and keeps them when the port moves', async () => {
  const file = join(temporaryFolder(), 'database.json')
  const first = texts(await databaseUrls(file, { port: 15_432 }))
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(Object.values(JSON.parse(readFileSync(file, 'utf8')))).toEqual(first)
  expect(Object.keys(JSON.parse(readFileSync(file, 'utf8')))).toEqual(['owner', 'writer', 'maintainer', 'reader'])
  expect(first.map((url) => new URL(url).username)).toEqual([
    'sallyport_owner',
    'sallyport_recorder',
    'sallyport_maintenance',
    'sallyport_reading',
  ])
  const passwords = first.map((url) => new URL(url).password)
  expect(new Set(passwords).size).toBe(4)
  for (const password of passwords) expect(password).toMatch(/^[\w-]{24}$/)
  const moved = texts(await databaseUrls(file, { port: 15_433 }))
  expect(moved).toEqual(first.map((url) => url.replace(':15432/', ':15433/')))
  rmSync(file)
  expect(texts(await databaseUrls(file, { port: 15_432 }))).not.toEqual(first)
})

test('DATABASE_URL stands for the embedded PostgreSQL: the owner as given, logins of ours on the same server', async () => {
  const file = join(temporaryFolder(), 'database.json')
  const external = new Secret('postgres://dba:p%40ss@db.example:5433/audit?sslmode=verify-full')
  const [owner, writer] = texts(await databaseUrls(file, { port: 1, external }))
  expect(owner).toBe(external.reveal())
  expect(writer).toMatch(/^postgres:\/\/sallyport_recorder:[\w-]{24}@db\.example:5433\/audit\?sslmode=verify-full$/)
})

test('a DATABASE_URL that is none is refused without showing it', async () => {
  const file = join(temporaryFolder(), 'database.json')
  for (const wrong of ['secret-text', 'https://u:secret-text@h/db', 'postgres:///db', 'postgres://u:secret-text@h']) {
    const refused = await databaseUrls(file, { port: 1, external: new Secret(wrong) }).catch((error: unknown) => error)
    expect(String(refused)).toContain('DATABASE_URL must be like postgres://owner:password@host:5432/database')
    expect(String(refused)).not.toContain('secret-text')
  }
})
