import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, describeConfig, readConfig } from '../../runtime/config.ts'
import {
  integer,
  LOG_LEVEL,
  loopback,
  oneOf,
  optionalSecret,
  optionalText,
  port,
  text,
  url,
} from '../../runtime/settings.ts'

const SETTINGS = {
  port: port('SALLYPORT_XDS_PORT', 18_000, 'Where it listens.'),
  folder: text('SALLYPORT_RUN_DIR', { doc: 'Folder of the sockets.' }),
  workers: integer('SALLYPORT_WORKERS', { doc: 'How many.', default: 2, min: 1, max: 64 }),
  environment: oneOf('SALLYPORT_ENVIRONMENT', ['development', 'production'], { doc: 'Where.', default: 'production' }),
  base: url('SALLYPORT_PROBLEM_BASE', { doc: 'Front of every type.', default: 'https://waooaw.com/errors/' }),
  key: optionalSecret('SALLYPORT_KEY', 'Signs roots.'),
  phrase: { ...optionalText('SALLYPORT_PHRASE', 'A secret that is a plain text.'), secret: true },
  logLevel: LOG_LEVEL,
} as const

const GOOD = { SALLYPORT_RUN_DIR: '/run/gw', HOME: '/root' }

function mistakesOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(SETTINGS, environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
}

test('values come from the environment, else from the default, in one frozen object', () => {
  const config = readConfig(SETTINGS, { ...GOOD, SALLYPORT_WORKERS: '8', SALLYPORT_ENVIRONMENT: '' })
  expect(config).toMatchObject({
    port: 18_000,
    folder: '/run/gw',
    workers: 8,
    environment: 'production',
    logLevel: 'info',
  })
  expect(Object.isFrozen(config)).toBe(true)
})

test.each([
  [
    'an unknown name, with the nearest',
    { SALLYPORT_WORKER: '2' },
    'SALLYPORT_WORKER is not a setting of this process; did you mean SALLYPORT_WORKERS?',
  ],
  [
    'an unknown name that is near nothing',
    { SALLYPORT_CORS_ORIGINS: '*' },
    'SALLYPORT_CORS_ORIGINS is not a setting of this process; see --print-config',
  ],
  [
    'a number out of bounds',
    { SALLYPORT_WORKERS: '65' },
    'SALLYPORT_WORKERS must be a whole number from 1 to 64, got "65"',
  ],
  [
    'a number with a tail',
    { SALLYPORT_WORKERS: '2x' },
    'SALLYPORT_WORKERS must be a whole number from 1 to 64, got "2x"',
  ],
  [
    'a port over 65535',
    { SALLYPORT_XDS_PORT: '70000' },
    'SALLYPORT_XDS_PORT must be a whole number from 0 to 65535, got "70000"',
  ],
  [
    'a word that is not on the list',
    { SALLYPORT_ENVIRONMENT: 'staging' },
    'SALLYPORT_ENVIRONMENT must be one of development, production, got "staging"',
  ],
  [
    'a URL of another scheme',
    { SALLYPORT_PROBLEM_BASE: 'file:///etc' },
    'SALLYPORT_PROBLEM_BASE must be an http: or https: URL, got "file:///etc"',
  ],
])('a mistake is refused: %s', (_, environment, message) => {
  expect(mistakesOf({ ...GOOD, ...environment })).toEqual([message])
})

test('all mistakes are named at once, the missing ones too', () => {
  expect(mistakesOf({ SALLYPORT_WORKERS: '0', SALLYPORT_PROT: '1' })).toHaveLength(3)
  expect(mistakesOf({})).toEqual(['SALLYPORT_RUN_DIR is not set: Folder of the sockets.'])
})

test('--print-config shows value, unit and source, and masks secrets', () => {
  const shown = describeConfig(SETTINGS, {
    ...GOOD,
    SALLYPORT_KEY: 'hunter2',
    SALLYPORT_PHRASE: 'hunter2',
    SALLYPORT_XDS_PORT: '1',
  })
  expect(shown).toContain('SALLYPORT_XDS_PORT=1 port (environment)\n')
  expect(shown).toContain('SALLYPORT_WORKERS=2 (default)\n')
  expect(shown).toContain('SALLYPORT_KEY=***REDACTED*** (environment)\n')
  expect(shown).not.toContain('hunter2')
})

test('a process with a wrong environment says why and ends with 64, before it opens anything', () => {
  const main = join(import.meta.dirname, '../../runtime/embedded/issuer/issuer-main.ts')
  const run = (args: string[], env: Record<string, string>) =>
    spawnSync(process.execPath, [main, ...args], { env, encoding: 'utf8', timeout: 5_000 })
  const wrong = run([], { SALLYPORT_ISSUER_PROT: '1' })
  expect([wrong.status, wrong.stderr]).toEqual([
    64,
    'issuer: SALLYPORT_ISSUER_PROT is not a setting of this process; did you mean SALLYPORT_ISSUER_PORT?\n',
  ])
  const printed = run(['--print-config'], { SALLYPORT_ISSUER_PORT: '19' })
  expect([printed.status, printed.stdout.split('\n')[0]]).toEqual([0, 'SALLYPORT_ISSUER_PORT=19 port (environment)'])
})

test.each(['0.0.0.0', '10.0.0.1', '::', '128.0.0.1', 'xds.internal'])(
  'XD-5 the plaintext xDS port is loopback only: %s is refused',
  (address) => {
    const settings = { address: loopback('SALLYPORT_XDS_ADDRESS', { doc: 'Where.', default: '127.0.0.1' }) }
    expect(() => readConfig(settings, { SALLYPORT_XDS_ADDRESS: address })).toThrow('must be a loopback address')
  },
)
