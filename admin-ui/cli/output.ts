/** Data, for programs and files: the only thing on stdout. */
export function data(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Data as JSON with a schema version, so that a script notices when the shape changes. */
export function json(schema: string, value: object): void {
  data(JSON.stringify({ schema, ...value }, undefined, 2))
}

/** Talk, for people: stderr. */
export function talk(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Rows under headings, columns as wide as their widest cell. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
