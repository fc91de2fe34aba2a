import { availableParallelism, cpus, release } from 'node:os'
import { ENVOY_VERSION } from '../../runtime/embedded/envoy-binary.ts'

/** A table in Markdown; all columns but the first are aligned to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

/** A list in Markdown. */
export function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n')
}

/** Where and with what something was measured, in one line. */
export function machine(): string {
  return [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    `Linux ${release().split('-')[0]}`,
    `Node ${process.versions.node}`,
    `Envoy ${ENVOY_VERSION}`,
    new Date().toISOString().slice(0, 10),
  ].join(' · ')
}
