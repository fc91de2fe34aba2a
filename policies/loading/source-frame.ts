/** A stretch of one line; lines and columns count from 1, the end is the first column after it. */
export interface Spot {
  readonly line: number
  readonly column: number
  readonly endColumn: number
}

/** Most characters of a line that a frame shows. */
const MAX_WIDTH = 140

/** The spot's line with the one before it, and marks below the spot; of long lines the part around it. */
export function frameOf(text: string, spot: Spot): string {
  const lines = text.split(/\r?\n/)
  const digits = String(spot.line).length
  const skipped = Math.max(0, spot.column - MAX_WIDTH / 2)
  const shown = (line: number) => plain(lines[line - 1]).slice(skipped, skipped + MAX_WIDTH)
  const line = shown(spot.line)
  const start = Math.min(spot.column - skipped, line.length + 1)
  const width = Math.max(1, Math.min(spot.endColumn - skipped, line.length + 1) - start)
  const before = spot.line > 1 ? [`   ${gutter(spot.line - 1, digits)}${shown(spot.line - 1)}`] : []
  const marks = `   ${' '.repeat(digits)} | ${' '.repeat(start - 1)}${'^'.repeat(width)}`
  return [...before, ` > ${gutter(spot.line, digits)}${line}`, marks].join('\n').replace(/ +$/gm, '')
}

function gutter(line: number, digits: number): string {
  return `${String(line).padStart(digits)} | `
}

/** Tabs and other controls as one space each, so that columns stay true and a file cannot write to a terminal. */
function plain(line = ''): string {
  return line.replace(/\p{Cc}/gu, ' ')
}
