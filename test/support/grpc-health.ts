import { HealthImplementation } from 'grpc-health-check'
import type { Health } from '../../runtime/health.ts'

/** grpc.health.v1 for a grpc-js server that stands in for ext-authz; add it with `addToServer`. */
export function grpcHealth(health: Health): HealthImplementation {
  const implementation = new HealthImplementation()
  health.watch((phase) => implementation.setStatus('', phase.at === 'ready' ? 'SERVING' : 'NOT_SERVING'))
  return implementation
}
