import { Command, InvalidArgumentError } from 'commander'

/** How the proof is run. */
export interface ProveOptions {
  /** Length of the load. */
  readonly seconds: number
  /** Requests a second. */
  readonly rate: number
  /** Determines the mix, the faults and their moments. */
  readonly seed: number
  /** Instead of faults: PostgreSQL is away for this long, s. */
  readonly outage: number | undefined
  /** File that gets the report; it goes to stdout anyway. */
  readonly write: string | undefined
  /** Leaves the folder of the run, with all its files, where it is. */
  readonly keep: boolean
}

/** Reads the command line; `--help` and mistakes print what is accepted and end the process (exit 0, 64). */
export function readOptions(argv: readonly string[]): ProveOptions {
  const command = new Command('prove:audit')
    .description(
      'Loads a whole Sallyport while its processes are killed, and shows that the audit has every request. Exit code 1: a promise was broken.',
    )
    .option('--seconds <n>', 'length of the load, 10 to 3600 s', whole(10, 3_600), 300)
    .option('--rate <n>', 'requests a second, 1 to 2000', whole(1, 2_000), 300)
    .option('--seed <n>', 'determines the mix, the faults and their moments', whole(0, 2 ** 31), 1)
    .option('--outage <n>', 'no faults; PostgreSQL is away for so long in one piece, 30 to 3600 s', whole(30, 3_600))
    .option('--write <file>', 'write the report to this file, too')
    .option('--keep', 'keep the folder of the run', false)
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 64))
  const { seconds, rate, seed, outage, write, keep } = command.parse([...argv], { from: 'user' }).opts<ProveOptions>()
  return { seconds, rate, seed, outage, write, keep }
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}.`)
  }
}
