/** The segment of a path at an index (0 = first), as it was sent; undefined where the path is shorter. */
export function segmentAt(path: string, index: number): string | undefined {
  let start = 1
  for (let at = 0; at < index; at++) {
    start = path.indexOf('/', start) + 1
    if (start === 0) return undefined
  }
  const end = path.indexOf('/', start)
  return end === -1 ? path.slice(start) : path.slice(start, end)
}
