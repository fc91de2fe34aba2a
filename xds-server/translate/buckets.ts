import { segmentsOf } from '../../policies/precedence.ts'
import type { Route } from '../../protos/gen/envoy/config/route/v3/Route.ts'
import { type PathPrefix, pathPrefix, reaches, textAfter } from './path-prefix.ts'

/** The routes for paths of one pattern; they answer every request for such a path. */
export interface PathRoutes {
  readonly path: string
  readonly routes: readonly Route[]
}

/** What Envoy walks, in order, for paths that begin with `prefix` and with no longer prefix of another bucket. */
export interface Bucket {
  readonly prefix: string
  readonly routes: readonly Route[]
}

/** So few routes are walked as they are: 16 templates cost Envoy 4 µs (facts/envoy.md §11). */
const WALKED = 16

/** How often a prefix is lengthened at most. 10,000 usual routes need 4 to 7; the rest is for patterns that begin each other. */
const DEPTH = 12

/**
 * Deals out patterns in their order of precedence, so that the first match in the bucket of a path is the first match of all.
 *
 * A prefix map never falls back to a shorter prefix, so a bucket holds every pattern that matches any path which can land in it;
 * those that a template or `*` opens go into several. A prefix is any run of characters, `/api/v1/ag` too: where a bucket ends is a
 * question of size, and never of segments.
 *
 * Cost: a prefix gets a bucket of its own only if that copies at most as many routes as it takes out of the walk. Copies do not pay
 * for further copies, so that a level adds at most the number of all routes, and all buckets together hold at most 1 + DEPTH times
 * as many, whatever the definitions say. What nothing literal tells apart stays in one bucket and is walked: all patterns below one
 * template, such as `/tenants/{id}/…`.
 */
export function buckets(inOrder: readonly PathRoutes[]): Bucket[] {
  const members = inOrder.map(
    ({ path, routes }, rank): Member => ({ rank, segments: segmentsOf(path), routes, copied: false }),
  )
  return cut(pathPrefix('/'), members, DEPTH)
}

interface Member {
  readonly rank: number
  readonly segments: readonly string[]
  readonly routes: readonly Route[]
  /** Whether another bucket holds it too. */
  readonly copied: boolean
}

interface Branch {
  readonly prefix: PathPrefix
  /** What leaves the bucket for the branch. */
  readonly moved: readonly Member[]
  /** What matches in the branch and outside it. */
  readonly copies: readonly Member[]
}

function cut(prefix: PathPrefix, members: readonly Member[], depth: number): Bucket[] {
  const branches = depth === 0 || size(members) <= WALKED ? [] : branchesOf(prefix, members)
  const moved = new Set(branches.flatMap((branch) => branch.moved))
  const kept = members.filter((member) => !moved.has(member))
  return [
    ...(kept.length === 0 && branches.length > 0 ? [] : [bucket(prefix, kept)]),
    ...branches.flatMap((branch) => {
      const inside = [...branch.moved, ...branch.copies].sort((a, b) => a.rank - b.rank)
      return cut(branch.prefix, inside, depth - 1)
    }),
  ]
}

/** One branch for each character that must follow the prefix, where it pays. */
function branchesOf(prefix: PathPrefix, members: readonly Member[]): Branch[] {
  const following = new Map(members.map((member) => [member, textAfter(member.segments, prefix)]))
  const byCharacter = Map.groupBy(members, (member) => following.get(member)?.slice(0, 1) ?? '')
  const open = byCharacter.get('') ?? []
  byCharacter.delete('')
  return [...byCharacter.values()]
    .map((moved): Branch => {
      const common = commonStart(moved.map((member) => following.get(member) ?? ''))
      const longer = pathPrefix(prefix.text + common)
      const copies = open.filter(({ segments }) => reaches(segments, longer))
      return { prefix: longer, moved, copies: copies.map((member) => ({ ...member, copied: true })) }
    })
    .filter(({ moved, copies }) => size(copies) <= size(moved.filter(({ copied }) => !copied)))
}

function bucket({ text }: PathPrefix, members: readonly Member[]): Bucket {
  return { prefix: text, routes: members.flatMap(({ routes }) => routes) }
}

function size(members: readonly Member[]): number {
  return members.reduce((sum, { routes }) => sum + routes.length, 0)
}

function commonStart([first = '', ...others]: readonly string[]): string {
  return others.reduce((common, text) => {
    let length = 0
    while (length < common.length && common[length] === text[length]) length++
    return common.slice(0, length)
  }, first)
}
