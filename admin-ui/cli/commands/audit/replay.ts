import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { replayDeadLetters } from '../../../../ext-authz/recorder/replay.ts'
import { openWriter } from '../../../../ext-authz/store/writer.ts'
import { CommandFailure, EXIT, type ExitCode } from '../../exit-codes.ts'
import { data, talk } from '../../output.ts'
import { printable } from '../../printable.ts'
import { auditFolders, databaseUrl, unreachable } from './places.ts'

/** `sallyport audit replay`: what PostgreSQL refused, once more. */
export function replayCommand(done: (code: ExitCode) => void): Command {
  return new Command('replay')
    .summary('write what PostgreSQL refused once more')
    .description(
      'Writes the rows that PostgreSQL refused and the recorder put aside, each in a transaction of its own. What is written leaves the\nfolder; what is refused again stays, with the reason, and the command ends with 1. The recorder may go on meanwhile.',
    )
    .argument('[folder]', 'folder of dead letters (default: dead-letters of this machine’s recorder)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport audit replay\n  $ sallyport audit replay /var/lib/sallyport/recorder/dead-letters',
    )
    .action(async (folder: string | undefined) => {
      const letters = resolve(folder ?? join(auditFolders().recorder, 'dead-letters'))
      await thereIs(letters)
      const writer = openWriter(await databaseUrl('writer'))
      try {
        const { written, kept } = await replayDeadLetters(letters, writer)
        for (const { file, why } of kept) data(printable(`${file}: ${why}`))
        talk(`${written} written, ${kept.length} refused again`)
        done(kept.length === 0 ? EXIT.ok : EXIT.findings)
      } catch (error) {
        throw unreachable(error)
      } finally {
        writer.close()
      }
    })
}

async function thereIs(folder: string): Promise<void> {
  await stat(folder).catch((cause: unknown) => {
    const next = 'name the folder, or set SALLYPORT_RECORDER_DIR; a recorder that never put anything aside has none'
    throw new CommandFailure(EXIT.nothingFound, `${folder}: no such folder; ${next}`, { cause })
  })
}
