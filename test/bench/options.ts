import { Command, InvalidArgumentError } from 'commander'

/** How a benchmark is run. */
export interface BenchOptions {
  readonly rounds: number
  /** Length of the throughput part of each variant in each round. */
  readonly seconds: number
  /** File that gets the report; it goes to stdout anyway. */
  readonly write?: string
  /** Folder for CPU profiles of the authorizers. */
  readonly profiles: string | undefined
  /** Instead: gives a recorder a backlog of so many rows, `rounds` times. */
  readonly recorder: number | undefined
  /** Folder of a checkout that is measured beside this one. */
  readonly against: string | undefined
}

const MAX_ROUNDS = 50
const MAX_SECONDS = 60
const BACKLOG_ROWS = 200_000
const MAX_ROWS = 5_000_000

/** Reads the command line; `--help` and mistakes print what is accepted and end the process (exit 0, 64). */
export function readOptions(argv: readonly string[]): BenchOptions {
  const command = new Command('bench')
    .description(
      'Compares bare Envoy, an empty Check service and ext-authz on this machine. The report goes to stdout.',
    )
    .option('--rounds <n>', `rounds, 1 to ${MAX_ROUNDS}`, whole(MAX_ROUNDS), 7)
    .option('--seconds <n>', `length of each throughput part, 1 to ${MAX_SECONDS} s`, whole(MAX_SECONDS), 5)
    .option('--against <folder>', 'measure the ext-authz and the edge of this other checkout, too, and compare')
    .option('--recorder [rows]', `only: how fast the recorder drains a backlog (${BACKLOG_ROWS} rows)`, whole(MAX_ROWS))
    .option('--write <file>', 'write the report to this file, too')
    .option('--profiles <folder>', 'write a V8 CPU profile of each authorizer; the figures are then worth nothing')
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 64))
  const { rounds, seconds, write, profiles, against, recorder } = command
    .parse([...argv], { from: 'user' })
    .opts<Omit<BenchOptions, 'recorder'> & { recorder?: number | true }>()
  const rows = recorder === true ? BACKLOG_ROWS : recorder
  return { rounds, seconds, profiles, against, recorder: rows, ...(write === undefined ? {} : { write }) }
}

function whole(max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,7}$/.test(text) ? Number(text) : 0
    if (value >= 1 && value <= max) return value
    throw new InvalidArgumentError(`must be a whole number from 1 to ${max}.`)
  }
}
