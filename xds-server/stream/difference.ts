import type { Resource } from '../snapshot.ts'
import { REMOVED, type Subscription } from './subscription.ts'

/** Resources of one type that a stream should have, by name. */
export type Wanted = ReadonlyMap<string, Resource>

/**
 * What the client should have and does not, must have again, or may have lost by a rejection (C24). Left out is what it refused
 * in this very version (C8), and what is on its way.
 */
export function due(subscription: Subscription, wanted: Wanted): Resource[] {
  if (!subscription.started) return []
  return [...wanted.values()].filter(
    ({ name, version }) =>
      subscription.wants(name) &&
      (subscription.forced.has(name) ||
        (subscription.versionInFlight(name) ?? subscription.held.get(name)?.version) !== version ||
        (subscription.uncertain.has(name) && !subscription.inFlight(name))) &&
      !refuses(subscription, wanted, name),
  )
}

/** Names that the client holds, or may hold after a rejection, though they are gone; less those whose removal is on its way. */
export function gone(subscription: Subscription, wanted: Wanted): string[] {
  const names = new Set([...subscription.held.keys(), ...subscription.uncertain])
  return [...names].filter(
    (name) =>
      !wanted.has(name) && subscription.versionInFlight(name) !== REMOVED && !refuses(subscription, wanted, name),
  )
}

/** What the client should have and has not acknowledged, refused versions included. */
export function pending(subscription: Subscription, wanted: Wanted): Resource[] {
  return [...wanted.values()].filter(
    ({ name, version }) => subscription.wants(name) && subscription.held.get(name)?.version !== version,
  )
}

/** Whether the client refused exactly what it should have under this name: a version, or that there is nothing (C8). */
export function refuses(subscription: Subscription, wanted: Wanted, name: string): boolean {
  return subscription.rejected.get(name) === (wanted.get(name)?.version ?? REMOVED)
}
