/** The candidate that a misspelt `name` most likely meant; undefined when all differ by more than `most` edits. */
export function nearest(
  name: string,
  candidates: Iterable<string>,
  most = Math.max(2, Math.floor(name.length / 3)),
): string | undefined {
  let best: { candidate: string; edits: number } | undefined
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > most) continue
    const edits = distance(name.toLowerCase(), candidate.toLowerCase())
    if (edits <= most && edits < (best?.edits ?? Number.POSITIVE_INFINITY)) best = { candidate, edits }
  }
  return best?.candidate
}

/** Damerau-Levenshtein distance in its restricted form: one swap of neighbours counts as one edit. */
function distance(from: string, to: string): number {
  let twoBack: number[] = []
  let oneBack = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const differs = from[i - 1] === to[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      row.push(
        Math.min(
          cell(row, j - 1) + 1,
          cell(oneBack, j) + 1,
          cell(oneBack, j - 1) + differs,
          swapped ? cell(twoBack, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    twoBack = oneBack
    oneBack = row
  }
  return cell(oneBack, to.length)
}

function cell(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
