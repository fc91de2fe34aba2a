import type { Outstanding } from './subscription.ts'

/** Envoy applies the good clusters and listeners of a response and says so in these words (facts/envoy.md §2). */
export function isPartlyApplied(message: string): boolean {
  return /Error adding\/updating (?:cluster|listener)\(s\)/.test(message)
}

/** Whom a rejection names: the only one that a response brings; those listed as failed; or the one whose message is printed (C24). */
export function culprits({ sent }: Outstanding, message: string): string[] {
  const added = [...sent].flatMap(([name, item]) => (item === undefined ? [] : [name]))
  // Removals fail only by themselves.
  const names = added.length > 0 ? added : [...sent.keys()]
  if (names.length === 1) return names
  if (!isPartlyApplied(message)) {
    // Field 1 of each of our types: the first name that is printed. Later ones are of filters and the like.
    const printed = /name:\s+"([^"]*)"/.exec(message)?.[1]
    return names.filter((name) => name === printed)
  }
  // Clusters are listed with commas, listeners a line each; the reasons have colons, too.
  const listed = names.filter((name) => ['(s) ', ', ', '\n'].some((before) => message.includes(`${before}${name}: `)))
  return listed.length > 0 ? listed : names
}
