/** Whole numbers as pairs of first and last, both included, in rising order: `[[3, 5], [9, 9]]` is 3, 4, 5, 9. */
export type Ranges = readonly (readonly [number, number])[]

/** Packs rising numbers. */
export function packRanges(numbers: Iterable<number>): Ranges {
  const ranges: [number, number][] = []
  for (const number of numbers) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] + 1 === number) last[1] = number
    else ranges.push([number, number])
  }
  return ranges
}

/** Whether a number is in them; by halving, as there may be thousands. */
export function inRanges(ranges: Ranges, number: number): boolean {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    const [first, last] = ranges[middle] ?? [0, 0]
    if (number < first) high = middle
    else if (number > last) low = middle + 1
    else return true
  }
  return false
}

/** How many numbers there are. */
export const countOf = (ranges: Ranges): number => ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0)
