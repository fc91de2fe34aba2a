/** Exit codes of every command; they never depend on the output format. */
export const EXIT = {
  ok: 0,
  /** The thing asked about has mistakes. */
  findings: 1,
  /** Running, but something needs a person. */
  attention: 3,
  /** The command line itself is wrong. */
  usage: 64,
  /** What was asked about is not there. */
  nothingFound: 66,
  /** What should answer does not. */
  unreachable: 69,
  /** Understood, and refused. */
  notAllowed: 77,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command with a sentence on stderr and this code; the sentence says what to do next. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}
