import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROBLEMS } from '../../policies/problems.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/problems.md'), 'utf8')

test('RT-7 docs/problems.md describes exactly the problems of the table, with their status and title', () => {
  const described = [...page.matchAll(/^## (.+)\n\n(\d+), “(.+?)”\./gm)].map(([, slug, status, title]) => ({
    slug,
    status: Number(status),
    title,
  }))
  expect(described).toEqual(Object.entries(PROBLEMS).map(([slug, { status, title }]) => ({ slug, status, title })))
})
