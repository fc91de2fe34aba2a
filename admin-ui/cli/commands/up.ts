import { Command } from 'commander'
import { up } from '../../../runtime/embedded/up.ts'
import { CommandFailure, EXIT } from '../exit-codes.ts'

/** `sallyport up`: everything on this machine, until Ctrl-C. */
export function upCommand(): Command {
  return new Command('up')
    .summary('start everything on this machine, until Ctrl-C')
    .description(
      'Starts Envoy, ext-authz, xds-server, a development issuer and two sample upstreams on loopback, restarts what crashes, and prints\nfive curl lines to try. Edits of the gateway definitions go live as they are saved. Settings are environment variables.',
    )
    .option('--print-config', 'print every setting with its value and where it comes from, then end')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport up\n  $ SALLYPORT_HTTP_PORT=9080 SALLYPORT_WORKERS=1 sallyport up\n  $ ENVOY_BIN=/usr/bin/envoy sallyport up',
    )
    .action(async () => {
      // readUpConfig looks for --print-config itself, as every process of ours does.
      const code = await up().catch((cause: unknown) => {
        throw new CommandFailure(EXIT.unreachable, cause instanceof Error ? cause.message : String(cause), { cause })
      })
      process.exit(code)
    })
}
