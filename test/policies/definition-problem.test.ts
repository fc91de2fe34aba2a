import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { DEFINITION_CODES, type DefinitionProblem, formatProblem } from '../../policies/definition-problem.ts'

async function codesIn(folder: string, besides: string): Promise<Set<string>> {
  const path = fileURLToPath(new URL(folder, import.meta.url))
  const names = (await readdir(path, { recursive: true })).filter((name) => name.endsWith('.ts') && name !== besides)
  const texts = await Promise.all(names.map((name) => readFile(join(path, name), 'utf8')))
  return new Set(texts.join().match(/SP\d{4}/g))
}

test('every code of the table is raised by the code and seen by a test, and no other', async () => {
  const known = Object.keys(DEFINITION_CODES).sort()
  expect([...(await codesIn('../../policies', 'definition-problem.ts'))].sort()).toEqual(known)
  expect([...(await codesIn('.', ''))].sort()).toEqual(known)
})

test('a problem as text says where, which rule, what, and what to do', () => {
  const problem: DefinitionProblem = {
    code: 'SP3001',
    file: 'policies/gateways/a.ts',
    line: 3,
    column: 9,
    gateway: 'a',
    route: 'x',
    field: 'target',
    message: 'there is no upstream "plnat"',
    expected: 'one of "plant"',
    suggestion: 'did you mean "plant"?',
    frame: ' > 3 | x',
  }
  expect(
    formatProblem(problem),
  ).toBe(`policies/gateways/a.ts:3:9  error SP3001  a / x / target: there is no upstream "plnat"
 > 3 | x
  expected: one of "plant"
  fix: did you mean "plant"?`)
  expect(formatProblem({ code: 'SP1001', file: 'gone', line: 1, message: 'the folder holds no definition' })).toBe(
    'gone:1  error SP1001  the folder holds no definition',
  )
})
