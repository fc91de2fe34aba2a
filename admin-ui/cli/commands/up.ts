import { Command } from 'commander'
import { UP_SETTINGS } from '../../../runtime/embedded/config.ts'
import { up } from '../../../runtime/embedded/up.ts'
import { CommandFailure, EXIT } from '../exit-codes.ts'

/** `sallyport up`: everything on this machine, until Ctrl-C. */
export function upCommand(): Command {
  return new Command('up')
    .summary('start everything on this machine, until Ctrl-C')
    .description(
      'Starts Envoy, ext-authz, xds-server, the recorder with PostgreSQL, a development issuer and two sample upstreams on loopback, restarts\nwhat crashes, and prints five curl lines to try. Edits of the gateway definitions go live as they are saved. Settings are environment\nvariables.',
    )
    .option('--print-config', 'print every setting with its value and where it comes from, then end')
    .addHelpText(
      'after',
      `\nSettings:\n${settingsHelp()}\n\nExamples:\n  $ sallyport up\n  $ SALLYPORT_HTTP_PORT=9080 SALLYPORT_WORKERS=1 sallyport up\n  $ ENVOY_BIN=/usr/bin/envoy sallyport up\n  $ DATABASE_URL=postgres://owner:password@db:5432/audit sallyport up`,
    )
    .action(async () => {
      // readUpConfig looks for --print-config itself, as every process of ours does.
      const code = await up().catch((cause: unknown) => {
        throw new CommandFailure(EXIT.unreachable, cause instanceof Error ? cause.message : String(cause), { cause })
      })
      process.exit(code)
    })
}

/** Each setting with its meaning; `--print-config` shows the values. */
function settingsHelp(): string {
  return Object.values(UP_SETTINGS)
    .map(({ name, doc }) => `  ${name}\n      ${doc}`)
    .join('\n')
}
