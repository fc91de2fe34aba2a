import type { Command } from 'commander'
import type { AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import { rowJson, rowLine } from './row-text.ts'

/** What the options of {@link withJson} say. */
export interface RowFormat {
  readonly json?: boolean
}

/** Adds `--json` and `--no-json`. */
export function withJson(command: Command): Command {
  return command
    .option('--json', 'one JSON object a line (default where stdout is no terminal)')
    .option('--no-json', 'a line for people (default on a terminal)')
}

/** How rows are to be written. */
export function formatOf({ json = !process.stdout.isTTY }: RowFormat): (row: AuditRow) => string {
  return json ? rowJson : rowLine
}
