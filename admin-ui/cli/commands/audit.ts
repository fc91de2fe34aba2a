import { Command } from 'commander'
import type { ExitCode } from '../exit-codes.ts'
import { exportCommand } from './audit/export.ts'
import { migrateCommand } from './audit/migrate.ts'
import { replayCommand } from './audit/replay.ts'
import { searchCommand } from './audit/search.ts'
import { tailCommand } from './audit/tail.ts'
import { verifyCommand } from './audit/verify.ts'

/** `sallyport audit …`: what was recorded of every request. */
export function auditCommand(done: (code: ExitCode) => void): Command {
  return new Command('audit')
    .summary('read, export and verify what was recorded of every request')
    .description(
      'Reads, exports and verifies the audit: one row per request, in PostgreSQL. It is found by SALLYPORT_READER_URL, or by the state\nfolder of `sallyport up`. Why one request was answered as it was: `sallyport why <id>`.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport audit tail -f\n  $ sallyport audit search --from 1h --problem permission-denied\n  $ sallyport audit export --from 1d --output day.jsonl\n  $ sallyport audit verify',
    )
    .addCommand(tailCommand())
    .addCommand(searchCommand())
    .addCommand(exportCommand())
    .addCommand(verifyCommand(done))
    .addCommand(replayCommand(done))
    .addCommand(migrateCommand())
}
