import { CLUSTER, ENDPOINTS, LISTENER, ROUTES } from '../snapshot.ts'
import type { Wanted } from './difference.ts'
import { type Subscriptions, subscriptionTo } from './subscription.ts'

/** C27: whether the client has a cluster, not about to be removed, and has acknowledged its endpoints, where `assigned` has any. */
export function isWarm(cluster: string, subscriptions: Subscriptions, assigned: Wanted): boolean {
  const clusters = subscriptionTo(subscriptions, CLUSTER)
  if (!clusters.held.has(cluster) || clusters.isRemoving(cluster)) return false
  const endpoints = subscriptionTo(subscriptions, ENDPOINTS)
  const expected = endpoints.wants(cluster) && assigned.has(cluster)
  return !expected || endpoints.held.has(cluster)
}

/** C26: whether anything that the client has, or is being sent, may still refer to a cluster. */
export function isReferredTo(cluster: string, subscriptions: Subscriptions): boolean {
  const listeners = subscriptionTo(subscriptions, LISTENER)
  const routes = subscriptionTo(subscriptions, ROUTES)
  if (!listeners.started || (!routes.started && listeners.held.size > 0)) return true
  if (listeners.outstanding.size > 0 || routes.outstanding.size > 0) return true
  // Routes of a version that we do not know may refer to anything.
  return [...routes.held.values()].some(({ resource }) => resource?.needs.includes(cluster) ?? true)
}
