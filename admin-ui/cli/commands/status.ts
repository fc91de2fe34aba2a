import { Command, Option } from 'commander'
import { z } from 'zod'
import { CommandFailure, EXIT, type ExitCode } from '../exit-codes.ts'
import { data, json, table, talk } from '../output.ts'
import { settings } from '../settings.ts'

const TypeStatus = z.looseObject({
  type: z.string(),
  state: z.enum(['SYNCED', 'PENDING', 'ERROR']),
  lagMs: z.number().optional(),
  lastNack: z
    .looseObject({ names: z.array(z.string()), origins: z.array(z.string()), message: z.string(), at: z.string() })
    .optional(),
})

const EnvoyStatus = z.looseObject({
  node: z.string(),
  agent: z.string(),
  synced: z.boolean(),
  lastAck: z.string().optional(),
  types: z.array(TypeStatus),
})

/** What this command reads of `GET /status`; whatever else is there is passed on by `-o json`. */
const Status = z.looseObject({
  revision: z.string().optional(),
  definitionError: z.string().optional(),
  envoys: z.array(EnvoyStatus),
})

type StatusAnswer = z.infer<typeof Status>

interface StatusOptions {
  readonly output: 'text' | 'json'
  readonly server?: string
}

/** `sallyport status`: which Envoy runs what, and what the control plane has to say. */
export function statusCommand(done: (code: ExitCode) => void): Command {
  return new Command('status')
    .summary('what the control plane and its Envoys run')
    .description(
      'Asks xds-server which Envoys are connected and which revision each of them acknowledged. Ends with 3 when a definition\nis broken, an Envoy refused something or is behind, or none is connected.',
    )
    .option('--server <url>', 'status address of xds-server (default: this machine, SALLYPORT_STATUS_PORT)')
    .addOption(new Option('-o, --output <format>', 'what stdout gets').choices(['text', 'json']).default('text'))
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport status\n  $ sallyport status -o json | jq -r ".envoys[].node"\n  $ sallyport status --server http://xds.internal:18001',
    )
    .action(async (options: StatusOptions) => {
      const status = await statusFrom(options.server ?? `http://127.0.0.1:${settings().status}`)
      const concerns = concernsOf(status)
      if (options.output === 'json') json('sallyport.status/1', { ...status, concerns })
      else show(status)
      for (const concern of concerns) talk(concern)
      talk(
        concerns.length === 0
          ? 'all is well'
          : `${concerns.length} ${concerns.length === 1 ? 'thing needs' : 'things need'} attention`,
      )
      done(concerns.length === 0 ? EXIT.ok : EXIT.attention)
    })
}

async function statusFrom(server: string): Promise<StatusAnswer> {
  const url = `${server.replace(/\/$/, '')}/status`
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) })
    return Status.parse(await answer.json())
  } catch (cause) {
    const next = 'start everything here with `sallyport up`, or name another with --server'
    throw new CommandFailure(EXIT.unreachable, `no control plane answers at ${url}; ${next}`, { cause })
  }
}

const COLUMNS = ['Listener', 'RouteConfiguration', 'Cluster', 'ClusterLoadAssignment', 'Secret'] as const

function show(status: StatusAnswer): void {
  data(`revision ${status.revision ?? 'none yet'}\n`)
  const rows = status.envoys.map((envoy) => [
    envoy.node,
    ...COLUMNS.map((column) => cell(envoy.types.find(({ type }) => type === column))),
    envoy.lastAck === undefined ? 'never' : age(envoy.lastAck),
    envoy.agent,
  ])
  data(table(['ENVOY', 'LDS', 'RDS', 'CDS', 'EDS', 'SDS', 'LAST ACK', 'VERSION'], rows))
}

function cell(status: z.infer<typeof TypeStatus> | undefined): string {
  if (status === undefined) return '-'
  if (status.state === 'ERROR') return 'REJECTED'
  return status.state === 'SYNCED' ? 'ok' : 'pending'
}

/** What a person has to look at, a sentence each. */
function concernsOf(status: StatusAnswer): string[] {
  return [
    ...(status.definitionError === undefined ? [] : [`definitions: ${status.definitionError}`]),
    ...(status.revision === undefined ? ['nothing is published yet'] : []),
    ...(status.envoys.length === 0 ? ['no Envoy is connected'] : []),
    ...status.envoys.flatMap((envoy) => envoy.types.flatMap((type) => rejection(envoy.node, type))),
    ...status.envoys
      .filter(({ synced, types }) => !synced && !types.some(isRejected))
      .map(({ node }) => `${node}: is behind`),
  ]
}

function isRejected({ state }: z.infer<typeof TypeStatus>): boolean {
  return state === 'ERROR'
}

function rejection(node: string, status: z.infer<typeof TypeStatus>): string[] {
  if (!isRejected(status)) return []
  const nack = status.lastNack
  if (nack === undefined) return [`${node}: refused a ${status.type}`]
  const where = nack.origins.length === 0 ? '' : ` (${nack.origins.join(', ')})`
  return [`${node}: refused ${status.type} ${nack.names.join(', ')}${where} ${age(nack.at)} ago: ${nack.message}`]
}

function age(at: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(at)) / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}
