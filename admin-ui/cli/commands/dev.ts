import { Command, InvalidArgumentError, Option } from 'commander'
import {
  developmentToken,
  IssuerUnreachable,
  rotateKeys,
  TokenRefused,
} from '../../../runtime/embedded/development-tokens.ts'
import { ISSUER_PATHS } from '../../../runtime/embedded/issuer/claims.ts'
import { USERS } from '../../../runtime/embedded/issuer/users.ts'
import { CommandFailure, EXIT } from '../exit-codes.ts'
import { lifetime } from '../lifetime.ts'
import { data, talk } from '../output.ts'
import { settings } from '../settings.ts'

/** `sallyport dev …`: what only a development machine needs. */
export function devCommand(): Command {
  return new Command('dev')
    .summary('tokens and keys of the development issuer')
    .description('Tokens and keys of the development issuer that `sallyport up` runs.')
    .addHelpText('after', '\nExamples:\n  $ sallyport dev token --as trial\n  $ sallyport dev rotate-keys')
    .addCommand(tokenCommand())
    .addCommand(rotateCommand())
}

interface TokenOptions {
  readonly as: string
  readonly issuer: string
  readonly claim: Readonly<Record<string, unknown>>
  readonly expiresIn: number
}

function tokenCommand(): Command {
  return new Command('token')
    .summary('print an access token')
    .description('Prints an access token of a ready-made user, signed by the development issuer.')
    .addOption(new Option('--as <user>', 'whose token').choices(Object.keys(USERS)).default('paying'))
    .addOption(
      new Option('--issuer <name>', 'which issuer it is from').choices(Object.keys(ISSUER_PATHS)).default('waooaw'),
    )
    .addOption(
      new Option('--claim <name=value>', 'set a claim; the value may be JSON, null takes it away (repeatable)')
        .argParser(claim)
        .default({}, 'none'),
    )
    .addOption(
      new Option('--expires-in <time>', 'life of the token: 90s, 15m, 1h, 1d; negative: already over')
        .argParser(lifetime)
        .default(3_600, '1h'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ curl -H "Authorization: Bearer $(sallyport dev token --as trial)" http://127.0.0.1:8080/api/cp/v1/agents\n  $ sallyport dev token --as admin --issuer admin\n  $ sallyport dev token --claim \'roles=["viewer"]\' --claim tier=null --expires-in 5m',
    )
    .action(async (options: TokenOptions) => {
      const { as, issuer, claim: claims, expiresIn } = options
      data(await asked(developmentToken(issuerUrl(), { as, issuer, claims, expiresIn })))
    })
}

function rotateCommand(): Command {
  return new Command('rotate-keys')
    .summary('sign with a new key')
    .description('Makes the development issuer sign with a new key. Tokens of the old keys stay good until --drop-old.')
    .option('--drop-old', 'instead: stop publishing all keys but the present one', false)
    .addHelpText('after', '\nExamples:\n  $ sallyport dev rotate-keys\n  $ sallyport dev rotate-keys --drop-old')
    .action(async ({ dropOld }: { readonly dropOld: boolean }) => {
      const { current, published } = await asked(rotateKeys(issuerUrl(), dropOld))
      data(current)
      talk(`signs with ${current}; ${published.length} key${published.length === 1 ? '' : 's'} published`)
    })
}

function issuerUrl(): string {
  return `http://127.0.0.1:${settings().issuer}`
}

/** What the development issuer says, with its refusals as exit codes. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof IssuerUnreachable) throw new CommandFailure(EXIT.unreachable, error.message, { cause: error })
    if (error instanceof TokenRefused) throw new CommandFailure(EXIT.usage, error.message, { cause: error })
    throw error
  }
}

function claim(text: string, before: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Expected name=value.')
  return { ...before, [name]: jsonOrText(value) }
}

function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
