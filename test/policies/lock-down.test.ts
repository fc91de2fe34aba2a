import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { DefinitionProblem } from '../../policies/definition-problem.ts'
import { loadDefinitions } from '../../policies/load.ts'
import { wallsAround } from '../../policies/loading/evaluate.ts'
import { DEFINE, definition, folderOf, problemsOf, textAt } from './definition-folder.ts'

/** The files and, for each, what its only problem must be and point at. */
async function expectEach(cases: Readonly<Record<string, readonly [string, Partial<DefinitionProblem>, string]>>) {
  const files = Object.fromEntries(Object.entries(cases).map(([name, [source]]) => [name, source]))
  const found = await problemsOf(files)
  for (const [name, [source, problem, at]] of Object.entries(cases)) {
    const [only, ...others] = found.get(name) ?? []
    expect({ name, ...only }).toMatchObject({ name, ...problem })
    expect(others).toEqual([])
    if (only !== undefined) expect({ name, at: textAt(source, only).slice(0, at.length) }).toEqual({ name, at })
  }
  expect([...found.keys()].sort()).toEqual(Object.keys(cases).sort())
}

/** What each attempt ends with in a process that has the walls of a definition but not its guards. */
function behindWalls(folder: string, attempts: Readonly<Record<string, string>>): Record<string, string> {
  const code = `const told = {}
    const builtin = process.getBuiltinModule
    const attempts = { ${Object.entries(attempts).map(([name, body]) => `${name}() { ${body} }`)} }
    for (const [name, attempt] of Object.entries(attempts)) {
      try { told[name] = String(attempt()) } catch (error) { told[name] = String(error.code ?? error) }
    }
    console.log(JSON.stringify(told))`
  const said = execFileSync(process.execPath, [...wallsAround(folder), '--eval', code], { encoding: 'utf8', env: {} })
  return JSON.parse(said) as Record<string, string>
}

test('design §1.7 behind the guards stand walls: no file outside, no writing, no process, no thread, no debugger', async () => {
  const folder = await folderOf({ 'a.ts': '' })
  const secret = `${folder}-secret`
  await mkdir(secret)
  await writeFile(join(secret, 'key'), 'secret')
  const attempts = {
    reads: `return builtin('fs').readFileSync('/etc/passwd')`,
    readsBeside: `return builtin('fs').readFileSync('${secret}/key')`,
    writes: `builtin('fs').writeFileSync('${folder}/trace', '')`,
    links: `builtin('fs').symlinkSync('/etc/passwd', '${folder}/trace')`,
    spawns: `builtin('child_process').execFileSync('touch', ['${folder}/trace'])`,
    threads: `new (builtin('worker_threads').Worker)('1', { eval: true })`,
    debugs: `builtin('inspector').open(0)`,
  }
  const told = behindWalls(folder, {
    ...attempts,
    // Would write wherever it likes: files that SQLite opens are beside the permission model.
    stores: `const { DatabaseSync } = builtin('sqlite'); new DatabaseSync('${folder}/trace')`,
  })
  const files = await readdir(folder)
  await rm(secret, { recursive: true })
  const { stores, ...others } = told
  expect(others).toEqual(Object.fromEntries(Object.keys(attempts).map((name) => [name, 'ERR_ACCESS_DENIED'])))
  expect(stores).toContain('TypeError')
  expect(files).toEqual(['a.ts'])
})

test('design §1.7 a definition cannot get at Node’s modules, the network, signals or the environment', async () => {
  const tail = '\nexport default {}'
  const attempt = (way: string, thing: string): [string, Partial<DefinitionProblem>, string] => [
    `${tail}\n${way}`,
    { code: 'SP1009', line: 3, message: `it may not use ${thing}` },
    '',
  ]
  await expectEach({
    'modules.ts': attempt(`process.getBuiltinModule('node:net').connect(1)`, 'process.getBuiltinModule()'),
    'binding.ts': attempt(`process.binding('fs')`, 'process.binding()'),
    'becomes.ts': attempt(`process.execve('/bin/true', [], {})`, 'process.execve()'),
    'user.ts': attempt(`process.setuid(1)`, 'process.setuid()'),
    'parent.ts': attempt(`process._kill(process.ppid, 9)`, 'process.ppid'),
    'socket.ts': attempt(`new process.stdin.constructor()`, 'process.stdin'),
    'response.ts': attempt(`new Response()`, 'Response()'),
    'dispatcher.ts': [
      `globalThis[Symbol.for('undici.globalDispatcher.1')].request({ origin: 'http://127.0.0.1:1' })${tail}`,
      { code: 'SP1006', line: 1 },
      '',
    ],
    'environment.ts': [
      `export default { name: process.env.HOME }`,
      { code: 'SP1009', line: 1, message: 'it may not use process.env.HOME' },
      'HOME',
    ],
    'fetches.ts': [
      `await fetch('http://127.0.0.1:1')${tail}`,
      { code: 'SP1009', message: 'it may not use fetch()' },
      'fetch',
    ],
    'imports.ts': [
      `import { readFileSync } from 'node:fs'\nexport default readFileSync('/etc/passwd')`,
      { code: 'SP1005', line: 1, message: 'it may not import "node:fs"' },
      'import',
    ],
    'package.ts': [
      `import { pino } from 'pino'${tail}`,
      { code: 'SP1005', message: 'it may not import "pino"' },
      'import',
    ],
    'later.ts': [
      `const net = await import('node:net')${tail}`,
      { code: 'SP1005', line: 1, message: 'it may not import "node:net"' },
      'import',
    ],
    'evaluates.ts': [`eval('1')${tail}`, { code: 'SP1006', line: 1 }, 'eval'],
  })
})

test('design §1.7 helpers are ES modules, whatever Node would guess: CommonJS leads to the loader itself', async () => {
  const found = await problemsOf({
    '_helper.cjs': `module.constructor._load('node:net')`,
    'a.ts': `import './_helper.cjs'\nexport default {}`,
    '_guessed.ts': `module.constructor._load('node:net')`,
    'b.ts': `import './_guessed.ts'\nexport default {}`,
  })
  expect(found.get('a.ts')).toMatchObject([{ code: 'SP1005', message: 'it may not import "./_helper.cjs"' }])
  expect(found.get('_guessed.ts')).toMatchObject([{ code: 'SP1006' }])
})

test('design §1.7 a definition changes nothing that the next one uses, and says nothing in its name', async () => {
  await expectEach({
    'a-prototype.ts': [
      `const everyObject: object = Object.prototype\nObject.assign(everyObject, { identity: 'open' })\nexport default {}`,
      { code: 'SP1006', line: 2, message: expect.stringContaining('not extensible') },
      '',
    ],
    'b-json.ts': [
      `JSON.stringify = () => '{"kind":"end"}'\nexport default {}`,
      { code: 'SP1006', line: 1, message: expect.stringContaining('read only') },
      '',
    ],
    'c-victim.ts': [definition('c', 'listner: 1,'), { code: 'SP2001' }, ''],
  })
})

test('design §1.7 a definition that throws, prints, exits or ends its process is told so at its own line', async () => {
  await expectEach({
    'throws.ts': [
      `\nconst limit = undefined\nexport default { name: limit.name }`,
      { code: 'SP1006', line: 3, message: "TypeError: Cannot read properties of undefined (reading 'name')" },
      'name }',
    ],
    'throws-text.ts': [
      `throw 'no'\nexport {}`,
      { code: 'SP1006', line: 1, message: 'throws no, which is not an Error' },
      '',
    ],
    'prints.ts': [
      `${definition('prints')}\nconsole.log('loaded')`,
      { code: 'SP1008', message: 'it prints', suggestion: 'remove the output' },
      'log(',
    ],
    'exits.ts': [`\nprocess.exit(0)\nexport default {}`, { code: 'SP1011', line: 2 }, 'exit(0)'],
    'kills.ts': [
      `${definition('kills')}\nprocess.kill(1, 'SIGKILL')`,
      { code: 'SP1011', message: 'it ends or disturbs its process: process.kill()' },
      'kill(',
    ],
    'dies.ts': [
      `process.binding\nprocess.dlopen({ exports: {} }, '/nonexistent.node')\nexport default {}`,
      { code: 'SP1011', line: 2 },
      'dlopen',
    ],
    'nothing.ts': [`export const gateway = {}`, { code: 'SP1007', line: 1, message: 'it has no default export' }, ''],
  })
})

test('design §1.7 a definition that hangs costs itself only', async () => {
  const cases = {
    'a-loops.ts': `export default {}\nfor (;;) {}`,
    'b-waits.ts': `export default {}\nawait new Promise(() => {})`,
    'd-broken.ts': definition('d', 'listner: 1,'),
    'e-fine.ts': definition('e'),
  }
  const found = await problemsOf(cases, { deadlineMs: 6_000 })
  const told = (name: string) => found.get(name)?.map(({ code, line, message }) => `${code} ${line} ${message}`)
  expect(told('a-loops.ts')).toEqual(['SP1010 2 it did not finish in time'])
  expect(told('b-waits.ts')).toEqual(['SP1010 2 a top-level await never ends'])
  expect(told('d-broken.ts')).toEqual(['SP2001 11 there is no field "listner" here'])
  expect(found.has('e-fine.ts')).toBe(false)
})

test('design §1.7 a definition that eats memory ends its own process only', async () => {
  const cases = {
    'hoards.ts': `const all: unknown[] = []\nexport default all\nfor (;;) all.push(new Array(2e7).fill(all))`,
    'late.ts': definition('late', 'listner: 1,'),
  }
  const found = await problemsOf(cases, { deadlineMs: 20_000 })
  expect(found.get('hoards.ts')).toMatchObject([{ code: 'SP1011', message: expect.stringContaining('heap') }])
  expect(found.get('late.ts')).toMatchObject([{ code: 'SP2001' }])
})

test('design §1.7 the deadline holds for all files together, and those that had no turn say so', async () => {
  const loop = 'for (;;) {}\nexport {}'
  const started = performance.now()
  const found = await problemsOf({ 'a.ts': loop, 'b.ts': loop, 'c.ts': loop, 'd.ts': loop }, { deadlineMs: 1_000 })
  expect(performance.now() - started).toBeLessThan(2_500)
  expect([...found.keys()].sort()).toEqual(['a.ts', 'b.ts', 'c.ts', 'd.ts'])
  expect(found.get('d.ts')?.[0]?.message).toBe('it was not evaluated: no time was left')
})

test('design §1.7 results are limited to 8 MiB', async () => {
  const found = await problemsOf({
    'one.ts': `export default { name: 'x'.repeat(9e6) }`,
    'tree.ts': `let node: unknown = 1\nfor (let i = 0; i < 30; i++) node = [node, node]\nexport default node`,
  })
  expect(found.get('one.ts')?.[0]).toMatchObject({ code: 'SP1012' })
  expect(found.get('tree.ts')?.map(({ code }) => code)).toContain('SP1013')
})

test('SP1013 everything that JSON cannot say is refused at its place', async () => {
  const values = {
    'function.ts': [`() => 'plant'`, 'here is a function, which is not plain data'],
    'date.ts': [`new Date(0)`, 'here is a Date, which is not plain data'],
    'class.ts': ['class Target {}', 'here is a class, which is not plain data'],
    'regexp.ts': ['/plant/', 'here is a RegExp, which is not plain data'],
    'absent.ts': ['undefined', 'here is undefined, which is not plain data'],
    'infinite.ts': ['1 / 0', 'here is Infinity, which is not plain data'],
    'big.ts': ['10n', 'here is a bigint, which is not plain data'],
  } as const
  const files = Object.entries(values).map(([name, [value]]) => [
    name,
    definition(name.slice(0, -3), `timeout: ${value},`),
  ])
  const found = await problemsOf(Object.fromEntries(files))
  for (const [name, [value, message]] of Object.entries(values)) {
    expect(found.get(name)).toMatchObject([{ code: 'SP1013', line: 11, column: 12, field: 'timeout', message }])
    expect(found.get(name)?.[0]?.frame).toContain(`timeout: ${value},`)
  }
})

test('SP1013 cycles, getters, foreign prototypes and __proto__ are refused', async () => {
  const found = await problemsOf({
    'cycle.ts': 'const gateway: Record<string, unknown> = {}\ngateway.self = gateway\nexport default gateway',
    'getter.ts': `export default { get name() { return 'x' } }`,
    'prototype.ts': `export default { routes: { __proto__: { x: 1 } } }`,
    'own-proto.ts': `export default { routes: { ['__proto__']: { x: 1 } } }`,
    'proxy.ts': 'export default new Proxy({}, { ownKeys() { throw new Error("no keys") } })',
  })
  const told = (name: string) => found.get(name)?.map(({ code, field, message }) => `${code} ${field} ${message}`)[0]
  expect(told('cycle.ts')).toBe('SP1013 self here is a cycle, which is not plain data')
  expect(told('getter.ts')).toBe('SP1013 name here is a getter or setter, which is not plain data')
  expect(told('prototype.ts')).toBe('SP1013 routes here is an object with its own prototype, which is not plain data')
  expect(found.get('own-proto.ts')).toMatchObject([
    { code: 'SP1013', route: '__proto__', message: 'here is a field named __proto__, which is not plain data' },
  ])
  expect(told('proxy.ts')).toBe('SP1006 undefined Error: no keys')
})

test('SP1003 a syntax error has its line and column, and the other files are still checked', async () => {
  await expectEach({
    'comma.ts': [`export default {\n  name: 'a',,\n}`, { code: 'SP1003', line: 2, column: 13 }, ',,'.slice(1)],
    'enum.ts': [
      'enum Kind { A }\nexport default {}',
      { code: 'SP1003', line: 1, suggestion: 'write it as plain data: definitions run with their types removed' },
      'enum',
    ],
    'twice.ts': ['const a = 1\nconst a = 2\nexport default a', { code: 'SP1003', line: 2, column: 7 }, 'a = 2'],
    'other.ts': [definition('other', 'listner: 1,'), { code: 'SP2001', line: 11 }, 'listner'],
  })
})

test('SP1004 a misspelt import is told with the nearest name', async () => {
  const wrongFile = DEFINE.replace('define.ts', 'defin.ts')
  await expectEach({
    'name.ts': [
      `import {\n  defineGatway,\n} from '${DEFINE}'\nexport default defineGatway({})`,
      { code: 'SP1004', line: 2, column: 3, suggestion: 'did you mean defineGateway?' },
      'defineGatway',
    ],
    'type.ts': [
      `import { defineGateway, Cors } from '${DEFINE}'\nexport default defineGateway({})`,
      { code: 'SP1004', line: 1, suggestion: 'if it is a type, write: import type { … }' },
      'Cors',
    ],
    'file.ts': [
      `import { defineGateway } from '${wrongFile}'\nexport default defineGateway({})`,
      { code: 'SP1004', line: 1, suggestion: 'did you mean "define.ts"?' },
      'import',
    ],
    'sibling.ts': [
      `import { x } from './_shard.ts'\nexport default x`,
      { code: 'SP1004', line: 1, message: expect.stringContaining('_shard.ts') },
      'import',
    ],
  })
})

test('SP1006 a helper file that throws is named, not the definition that imports it', async () => {
  const found = await problemsOf({
    '_shared.ts': `\nexport const x = (undefined as never as { y: string }).y`,
    'a.ts': `import { x } from './_shared.ts'\nexport default x`,
  })
  expect(found.get('_shared.ts')).toMatchObject([{ code: 'SP1006', line: 2 }])
})

test('SP1003 a helper file with a syntax error is told once, however many definitions import it', async () => {
  const found = await problemsOf({
    '_shared.ts': `export const x = {\n  a: 1,,\n}`,
    'a.ts': `import { x } from './_shared.ts'\nexport default x`,
    'b.ts': `import { x } from './_shared.ts'\nexport default x`,
  })
  expect(found.get('_shared.ts')).toMatchObject([{ code: 'SP1003', line: 2, column: 8 }])
  expect([...found.keys()]).toEqual(['_shared.ts'])
})

test('SP1002 a link that leads outside the folder is refused, one inside is followed', async () => {
  const outside = await folderOf({ 'a.ts': definition('a') })
  const leaking = await folderOf({ 'b.ts': definition('b') })
  await symlink(join(outside, 'a.ts'), join(leaking, '_a.ts'))
  expect(await loadDefinitions(leaking)).toMatchObject({ ok: false, problems: [{ code: 'SP1002', line: 1 }] })

  const mounted = await folderOf({ '..data.ts': definition('c') })
  await symlink('..data.ts', join(mounted, 'c.ts'))
  expect(await loadDefinitions(mounted)).toMatchObject({ ok: true, definitions: { gateways: [{ name: 'c' }] } })
})

test('SP1001 a folder that is missing, empty or a file is told', async () => {
  const empty = await folderOf({ 'readme.md': 'nothing', '_shared.ts': 'export {}' })
  const file = join(empty, 'readme.md')
  for (const [folder, message] of [
    [empty, 'the folder holds no definition'],
    [file, 'the folder is not a folder'],
    [join(empty, 'gone'), expect.stringContaining('ENOENT')],
  ] as const) {
    expect(await loadDefinitions(folder)).toMatchObject({ ok: false, problems: [{ code: 'SP1001', message }] })
  }
})

test('design §1.7 a definition cannot keep the load waiting by a timer', async () => {
  const started = performance.now()
  const folder = await folderOf({ 'a.ts': `${definition('a')}\nsetInterval(() => {}, 1000)` })
  expect(await loadDefinitions(folder)).toMatchObject({ ok: true })
  expect(performance.now() - started).toBeLessThan(2_000)
})

test('a load that is aborted rejects with the reason and leaves no process', async () => {
  const folder = await folderOf({ 'a.ts': 'for (;;) {}\nexport {}' })
  const abort = new AbortController()
  const load = loadDefinitions(folder, { signal: abort.signal })
  abort.abort(new Error('a newer edit'))
  await expect(load).rejects.toThrow('a newer edit')
  expect(await processesNaming(folder)).toEqual([])
})

test('a load that is aborted while a definition runs ends its process', async () => {
  const folder = await folderOf({ 'a.ts': 'for (;;) {}\nexport {}' })
  const abort = new AbortController()
  const load = loadDefinitions(folder, { signal: abort.signal })
  await vi.waitUntil(async () => (await processesNaming(folder)).length > 0, { timeout: 5_000 })
  abort.abort(new Error('a newer edit'))
  await expect(load).rejects.toThrow('a newer edit')
  expect(await processesNaming(folder)).toEqual([])
})

async function processesNaming(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  // A process may end between the listing and the reading.
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter((line) => line.includes(folder))
}
