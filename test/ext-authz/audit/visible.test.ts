import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonText, mayNeedEscaping, visible, visibleJson } from '../../../ext-authz/audit/visible.ts'

const POISON = fc.string({ unit: fc.constantFrom('a', '\0', '\ud800', '\udfff', '😀', '\\', 'é') })

test('AU-1 text that PostgreSQL cannot hold is shown by its escape, and nothing else is changed', () => {
  expect(visible('a\0b')).toBe('a\\u0000b')
  expect(visible('\ud83d')).toBe('\\ud83d')
  expect(visible('\ude00\ud83d\ude00')).toBe('\\ude00😀')
  expect(visible('plain 😀 é')).toBe('plain 😀 é')
  fc.assert(
    fc.property(POISON, (text) => {
      const shown = visible(text)
      expect(shown.isWellFormed() && !shown.includes('\0')).toBe(true)
      if (text.isWellFormed() && !text.includes('\0')) expect(shown).toBe(text)
    }),
  )
})

test('AU-1 the same holds in every string and every name of a JSON value', () => {
  const value = { 'a\0': ['\ud800', { b: 'x\0' }], n: 1, t: true, z: null }
  expect(visibleJson(value)).toEqual({ 'a\\u0000': ['\\ud800', { b: 'x\\u0000' }], n: 1, t: true, z: null })
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: fc.constantFrom('a', '\0', '\udfff', '😀') }), (json) => {
      JSON.parse(JSON.stringify(visibleJson(json)), (name, value) => {
        for (const text of [name, value]) if (typeof text === 'string') expect(visible(text)).toBe(text)
        return value
      })
    }),
  )
})

test('AU-1 a value that is nested without end is cut, not followed', () => {
  let deep: unknown = 'bottom'
  for (let depth = 0; depth < 10_000; depth++) deep = [deep]
  expect(JSON.stringify(visibleJson(deep))).toContain('(nested too deep)')
})

test('AU-1 bytes that are no UTF-8 come out of a line as \\xff, and the line stays readable', () => {
  const line = Buffer.concat([Buffer.from('{"path":"/a'), Buffer.of(0xff, 0xc3), Buffer.from('b"}')])
  expect(JSON.parse(jsonText(line))).toEqual({ path: '/a\\xff\\xc3b' })
  expect(JSON.parse(jsonText(Buffer.from('{"path":"/é😀"}')))).toEqual({ path: '/é😀' })
})

test('AU-1 whatever must be escaped was an escape in its JSON', () => {
  fc.assert(
    fc.property(POISON, (text) => {
      const json = JSON.stringify(text)
      if (!mayNeedEscaping(json)) expect(visible(text)).toBe(text)
    }),
  )
})
