import { nearestName } from './nearest.ts'
import { Secret } from './secret.ts'

/** One environment variable of a process, declared once: what it is called, what it means, what holds without it. */
export interface Setting<T> {
  /** `SALLYPORT_…`, or a name that the trade already knows (`ENVOY_BIN`). */
  readonly name: string
  /** What it changes and what happens at other values; one sentence. */
  readonly doc: string
  /** Unit of the value as written: `ms`, `port`, `bytes`. */
  readonly unit?: string
  /** Holds when the variable is unset or empty. Absent: the process does not start without it. */
  readonly default?: T
  /** True: `--print-config` masks the value. */
  readonly secret?: boolean
  /** Turns the text into the value; throws {@link SettingError} with what it expected. */
  readonly parse: (text: string) => T
}

/** Thrown by a parser; the message completes "… must be". */
export class SettingError extends Error {}

/** The settings of one process by the property that holds each. */
export type Settings = Readonly<Record<string, Setting<unknown>>>

/** The frozen object a process reads its configuration from. */
export type Config<S extends Settings> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never }

type Environment = Readonly<Record<string, string | undefined>>

/** Every mistake of an environment at once; the message has one line for each, ready for the terminal. */
export class ConfigError extends Error {
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'))
    this.mistakes = mistakes
  }
}

/**
 * Reads the settings from an environment into a frozen object. Throws {@link ConfigError}: for values that do not parse, for
 * required ones that are missing, and for every `SALLYPORT_*` name that this process does not know, with the nearest one it does.
 */
export function readConfig<const S extends Settings>(settings: S, environment: Environment): Config<S> {
  const mistakes = unknownNames(settings, environment)
  const values: Record<string, unknown> = {}
  for (const [property, setting] of Object.entries(settings)) {
    const outcome = parsed(setting, environment)
    if (outcome.ok) values[property] = outcome.value
    else mistakes.push(outcome.mistake)
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return Object.freeze(values) as Config<S>
}

/**
 * What a process's config.ts calls: the configuration, or an end of the process. `--print-config` prints every setting with its
 * value and source to stdout (exit 0); a mistake prints to stderr (exit 64, usage).
 */
export function configure<const S extends Settings>(processName: string, settings: S): Config<S> {
  try {
    const config = readConfig(settings, process.env)
    if (!process.argv.includes('--print-config')) return config
    process.stdout.write(describeConfig(settings, process.env))
    process.exit(0)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(error.mistakes.map((mistake) => `${processName}: ${mistake}\n`).join(''))
    process.exit(64)
  }
}

/** The text of `--print-config`: one line a setting with value, unit and source, its meaning below; secrets masked. */
export function describeConfig(settings: Settings, environment: Environment): string {
  const config = readConfig(settings, environment)
  return Object.entries(settings)
    .map(([property, setting]) => {
      const source = isSet(environment[setting.name]) ? 'environment' : 'default'
      const unit = setting.unit === undefined ? '' : ` ${setting.unit}`
      return `${setting.name}=${shown(setting, config[property])}${unit} (${source})\n    ${setting.doc}\n`
    })
    .join('')
}

function shown(setting: Setting<unknown>, value: unknown): string {
  if (value === undefined) return '<unset>'
  if (setting.secret || value instanceof Secret) return '***REDACTED***'
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
}

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly mistake: string }

function parsed(setting: Setting<unknown>, environment: Environment): Outcome {
  const text = environment[setting.name]
  if (!isSet(text)) {
    if ('default' in setting) return { ok: true, value: setting.default }
    return { ok: false, mistake: `${setting.name} is not set: ${setting.doc}` }
  }
  try {
    return { ok: true, value: setting.parse(text) }
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
    const got = setting.secret ? 'the given value' : JSON.stringify(text)
    return { ok: false, mistake: `${setting.name} must be ${error.message}, got ${got}` }
  }
}

function unknownNames(settings: Settings, environment: Environment): string[] {
  const known = Object.values(settings).map((setting) => setting.name)
  return Object.keys(environment)
    .filter((name) => name.startsWith('SALLYPORT_') && !known.includes(name))
    .map((name) => {
      const near = nearestName(name, known)
      return `${name} is not a setting of this process${near === undefined ? '; see --print-config' : `; did you mean ${near}?`}`
    })
}

/** Empty counts as unset: that is what `NAME= command` and Compose files mean by it. */
function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== ''
}
