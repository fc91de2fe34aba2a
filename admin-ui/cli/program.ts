import { Command, CommanderError } from 'commander'
import { auditCommand } from './commands/audit.ts'
import { devCommand } from './commands/dev.ts'
import { statusCommand } from './commands/status.ts'
import { upCommand } from './commands/up.ts'
import { validateCommand } from './commands/validate.ts'
import { whyCommand } from './commands/why.ts'
import { CommandFailure, EXIT, type ExitCode } from './exit-codes.ts'
import { talk } from './output.ts'

/** The whole command line; a command that ends neither well nor wrong tells `done` its code. */
function program(done: (code: ExitCode) => void): Command {
  const root = new Command('sallyport')
    .description(
      'An API gateway: Envoy carries the traffic, typed definitions say what may pass, every decision has a reason.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport up\n  $ sallyport validate policies/gateways\n  $ sallyport status\n  $ sallyport dev token --as trial\n  $ sallyport audit tail -f\n  $ sallyport why <request id>\n\nExit codes: 0 ok, 1 findings, 3 needs attention, 64 usage, 66 nothing found, 69 unreachable, 77 not allowed.',
    )
  for (const command of [
    upCommand(),
    validateCommand(done),
    statusCommand(done),
    auditCommand(done),
    whyCommand(),
    devCommand(),
  ])
    root.addCommand(command)
  strict(root)
  return root
}

/** Every command alike: errors are thrown, not exits, and a mistake shows how to ask for help. */
function strict(command: Command): void {
  command.exitOverride().showHelpAfterError(`(${path(command)} --help shows how)`)
  for (const child of command.commands) strict(child)
}

function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`
}

/** Runs one command line (without node and script) and gives its exit code; what goes wrong is said on stderr. */
export async function run(args: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok
  const done = (given: ExitCode) => {
    code = given
  }
  try {
    await program(done).parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    // Help that was asked for has code 0; help shown because the command was left out has not.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (!(error instanceof CommandFailure)) throw error
    talk(error.message)
    return error.exitCode
  }
}
