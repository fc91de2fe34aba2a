import { expect, test } from 'vitest'
import type { PropertyPath } from '../../policies/loading/plain-data.ts'
import { parseSource, type Source } from '../../policies/loading/source.ts'
import { frameOf } from '../../policies/loading/source-frame.ts'
import { locate } from '../../policies/loading/source-lines.ts'

const TEXT = `import { defineGateway, get, http, jwt, open } from './define.ts'
import { elsewhere } from './_shared.ts'

const slow = { timeout: '60s', retries: { attempts: 2 } } as const
const key = 'comp' + 'uted'
const gateway = defineGateway({
  'name': 'a',
  identity: jwt('waooaw', 'admin'),
  upstreams: { plant: http('plant:8000', { http2: true }) },
  target: { paid: 'plant', trial: 'plant' },
  hosts: ['a.example', ...elsewhere],
  routes: {
    'list agents': get('/agents', { ...slow, timeout: '5s' }),
    deploy: get('/deploy', { timeout: '5s', ...slow }),
    probe: get('/probe', { identity: open('no credentials') }),
    [key]: get('/x'),
    mixed: get<'plant'>('/y', elsewhere satisfies object),
  },
  ...elsewhere,
} as never)

export { gateway as default }
`

function parsed(text: string): Source {
  const source = parseSource({ path: '/x.ts', shown: 'x.ts', text })
  if ('code' in source) throw new Error(source.message)
  return source
}

const ROWS: readonly (readonly [PropertyPath, string])[] = [
  [['name'], `7 'a'`],
  [['identity', 'issuers', 1], `8 'admin'`],
  [['identity', 'kind'], '8 jwt'],
  [['upstreams', 'plant', 'address'], `9 'plant:8000'`],
  [['upstreams', 'plant', 'http2'], '9 true'],
  [['upstreams', 'plant', 'tls'], '9 http'],
  [['target', 'trial'], `10 'plant'`],
  [['hosts', 0], `11 'a.example'`],
  [['hosts', 2], '11 ...elsewhere'],
  [['routes', 'list agents', 'path'], `13 '/agents'`],
  [['routes', 'list agents', 'method'], '13 get'],
  [['routes', 'list agents', 'timeout'], `13 '5s'`],
  [['routes', 'list agents', 'retries', 'attempts'], '4 2'],
  [['routes', 'deploy', 'timeout'], `4 '60s'`],
  [['routes', 'probe', 'identity', 'reason'], `15 'no credentials'`],
  [['routes', 'computed', 'path'], `16 '/x'`],
  [['routes', 'mixed', 'timeout'], `17 get<'plant'>('/y', elsewhere satisfies object)`],
  [['cors', 'origins', 0], '19 ...elsewhere'],
]

test.each(ROWS)('the place of %j is %s', (path, expected) => {
  const spot = locate(parsed(TEXT), 'default', path)
  const line = TEXT.split('\n')[spot.line - 1] ?? ''
  expect(`${spot.line} ${line.slice(spot.column - 1, spot.endColumn - 1)}`).toBe(expected)
})

test('a key has a place of its own, and a table is found by its exported name', () => {
  const source = parsed(`export const ISSUERS = {\n  main: { jwks: 'https://a' },\n} as const satisfies object`)
  expect(locate(source, 'ISSUERS', ['main'], 'key')).toEqual({ line: 2, column: 3, endColumn: 7 })
  expect(locate(source, 'ISSUERS', ['main', 'jwks'])).toEqual({ line: 2, column: 17, endColumn: 28 })
})

test('a name that stands for itself does not hang the search', () => {
  expect(locate(parsed('const a = b\nconst b = a\nexport default a'), 'default', ['x']).line).toBe(3)
})

test('a frame marks the spot, shows the line before it and no control characters', () => {
  const frame = frameOf('first\n\tsecond\u001b[2J', { line: 2, column: 2, endColumn: 8 })
  expect(frame).toBe('   1 | first\n > 2 |  second [2J\n     |  ^^^^^^')
})

test('a frame of a long line shows the part around the spot', () => {
  const frame = frameOf(`${'a'.repeat(500)}HERE${'b'.repeat(500)}`, { line: 1, column: 501, endColumn: 505 })
  const [line = '', marks = ''] = frame.split('\n')
  expect(line.length).toBeLessThan(160)
  expect(line.slice(marks.indexOf('^'), marks.lastIndexOf('^') + 1)).toBe('HERE')
})
