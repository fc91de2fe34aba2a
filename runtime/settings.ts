import { isIPv4 } from 'node:net'
import { type Setting, SettingError } from './config.ts'
import { Secret } from './secret.ts'

type Words<T> = Omit<Setting<T>, 'name' | 'parse' | 'default'> & { readonly default?: T }

/** A text as it is. */
export function text<const W extends Words<string>>(name: string, words: W) {
  return { ...words, name, parse: (value: string) => value }
}

/** A text that may be absent: `undefined` then. */
export function optionalText(name: string, doc: string): Setting<string | undefined> {
  return { name, doc, default: undefined, parse: (value) => value }
}

/** A text that never shows: masked by `--print-config`, unprintable afterwards. May be absent. */
export function optionalSecret(name: string, doc: string): Setting<Secret | undefined> {
  return { name, doc, default: undefined, secret: true, parse: (value) => new Secret(value) }
}

/** A whole number within bounds, both included. */
export function integer(
  name: string,
  words: Words<number> & { readonly min: number; readonly max: number },
): Setting<number> {
  const { min, max, ...rest } = words
  return {
    ...rest,
    name,
    parse: (value) => {
      const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN
      if (number >= min && number <= max) return number
      throw new SettingError(`a whole number from ${min} to ${max}`)
    },
  }
}

/** A TCP port; 0 lets the system choose one. */
export function port(name: string, byDefault: number, doc: string): Setting<number> {
  return integer(name, { doc, unit: 'port', default: byDefault, min: 0, max: 65_535 })
}

/** One of a few words. */
export function oneOf<const C extends string>(
  name: string,
  choices: readonly C[],
  words: Words<NoInfer<C>>,
): Setting<C> {
  return {
    ...words,
    name,
    parse: (value) => {
      const choice = choices.find((candidate) => candidate === value)
      if (choice !== undefined) return choice
      throw new SettingError(`one of ${choices.join(', ')}`)
    },
  }
}

/** An address of this machine only: 127.0.0.0/8, ::1 or localhost. */
export function loopback(name: string, words: Words<string>): Setting<string> {
  return {
    ...words,
    name,
    parse: (value) => {
      if (value === 'localhost' || value === '::1' || (isIPv4(value) && value.startsWith('127.'))) return value
      throw new SettingError('a loopback address: 127.0.0.1, ::1 or localhost')
    },
  }
}

/** An `http:` or `https:` URL, kept as it was written. */
export function url(name: string, words: Words<string>): Setting<string> {
  return { ...words, name, parse: parseUrl }
}

/** An `http:` or `https:` URL that may be absent: `undefined` then. */
export function optionalUrl(name: string, doc: string): Setting<string | undefined> {
  return { name, doc, default: undefined, parse: parseUrl }
}

function parseUrl(value: string): string {
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value
  throw new SettingError('an http: or https: URL')
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** How much a process logs. */
export type LogLevel = (typeof LOG_LEVELS)[number]

/** `SALLYPORT_LOG_LEVEL`, the one setting that every process has. */
export const LOG_LEVEL: Setting<LogLevel> = oneOf('SALLYPORT_LOG_LEVEL', LOG_LEVELS, {
  doc: 'Least severe level that is logged; debug names each decision and costs throughput.',
  default: 'info',
})
