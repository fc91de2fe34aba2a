import { stat } from 'node:fs/promises'
import { Command } from 'commander'
import { CommandFailure, EXIT, type ExitCode } from '../../exit-codes.ts'
import { data, talk } from '../../output.ts'
import { printable } from '../../printable.ts'
import { Progress } from '../../progress.ts'
import { instant } from './instant.ts'
import { auditFolders, withReader } from './places.ts'
import { count } from './search.ts'
import { databaseFindings, publicKeys, recorderKnowledge } from './verify/database.ts'
import { type Finding, findingText } from './verify/finding.ts'
import { spoolFindings } from './verify/spools.ts'

interface VerifyOptions {
  readonly database: boolean
  /** False: leave them out. */
  readonly spool?: string | boolean
  readonly key?: readonly string[]
  readonly from?: number
  readonly to?: number
  readonly limit: number
  readonly json: boolean
}

/** `sallyport audit verify`: has anybody changed what was recorded? */
export function verifyCommand(done: (code: ExitCode) => void): Command {
  return new Command('verify')
    .summary('find every edit, deletion, addition and gap in what was recorded')
    .description(
      'Recomputes the chain of every spool, every column of every row from the bytes that it keeps, and the chain, signature and leaves of\nevery batch, and names each thing that does not fit. Ends with 1 when there is one. Needs the public key of the recorder, and reads\nin one snapshot; traffic goes on meanwhile. What it can and cannot find: docs/audit.md.',
    )
    .option('--no-database', 'leave PostgreSQL out')
    .option('--spool <folder>', 'folder with one folder of segments per worker (default: that of this machine)')
    .option('--no-spool', 'leave the spools out')
    .option('--key <file...>', 'public keys of the recorders (default: that of this machine’s, signing-key.pub.pem)')
    .option('--from <time>', 'rows from this time on (2026-03-01, 15m, 2d); batches are verified all the same', time)
    .option('--to <time>', 'rows before this time', time)
    .option('--limit <count>', 'stop after this many findings', count(1_000_000), 1_000)
    .option('--json', 'one JSON object a finding and line', false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport audit verify\n  $ sallyport audit verify --no-spool --key edge-1.pem edge-2.pem --from 7d\n  $ sallyport audit verify --no-database --spool /var/lib/sallyport/spool --json',
    )
    .action(async (options: VerifyOptions) => done(await verify(options)))
}

// commander hands the value before as a second argument.
const time = (text: string) => instant(text)

async function verify(options: VerifyOptions): Promise<ExitCode> {
  const { recorder, spool } = auditFolders()
  const report = new Report(options)
  if (options.spool !== false) await report.take(spoolFindings(await spoolFolder(options.spool, spool)))
  if (options.database && !report.full) {
    const keys = await publicKeys(options.key, recorder)
    const known = await recorderKnowledge(recorder)
    await withReader((reader) =>
      reader.snapshot({ role: 'admin' }, async (view) => {
        const { from, to } = options
        const progress = new Progress('rows', process.stderr.isTTY ? await view.count({ from, to }) : undefined)
        const onRow = () => progress.step()
        await report.take(databaseFindings(view, { keys, ...known, from, to, onRow }))
        progress.end()
      }),
    )
  }
  return report.end()
}

/** One that was named must be there: verifying nothing is no success. */
async function spoolFolder(named: string | true | undefined, byDefault: string): Promise<string> {
  if (typeof named !== 'string') return byDefault
  await stat(named).catch((cause: unknown) => {
    throw new CommandFailure(EXIT.usage, `${named}: no such folder of spools`, { cause })
  })
  return named
}

/** Prints findings as they come, up to the limit, and says what came of it. */
class Report {
  readonly #json: boolean
  readonly #limit: number
  readonly #verified: string[] = []
  #found = 0

  constructor({ json, limit }: Pick<VerifyOptions, 'json' | 'limit'>) {
    this.#json = json
    this.#limit = limit
  }

  get full(): boolean {
    return this.#found >= this.#limit
  }

  /** `findings` return what they verified, in words. */
  async take(findings: AsyncGenerator<Finding, string, undefined>): Promise<void> {
    while (!this.full) {
      const { done, value } = await findings.next()
      if (done) {
        this.#verified.push(value)
        return
      }
      this.#found += 1
      data(this.#json ? printable(JSON.stringify(value)) : findingText(value))
    }
    await findings.return('')
  }

  end(): ExitCode {
    const verified = this.#verified.length === 0 ? '' : `${this.#verified.join('; ')}: `
    if (this.full) talk(`${verified}stopped at ${this.#found} findings (--limit)`)
    else talk(`${verified}${this.#found === 0 ? 'clean' : `${this.#found} findings`}`)
    return this.#found === 0 ? EXIT.ok : EXIT.findings
  }
}
