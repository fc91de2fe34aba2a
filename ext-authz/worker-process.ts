import { join } from 'node:path'

/**
 * How a worker's Node is started. Its garbage is mostly HTTP/2 streams that outlive the young generation, and V8 lets the old one
 * grow to three times what is alive before it collects: the growth is held down to fit Envoy and a worker into 256 MB (PF-3). Four
 * MiB of young generation instead of Node 24's default cost no speed here (docs/benchmarks.md).
 */
export const WORKER_FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=4',
  '--heap-growing-percent=40',
] as const

/** Environment of a worker besides its settings: one malloc arena, and compiled code that survives a restart. */
export function workerEnvironment(runDir: string): Record<string, string> {
  return { MALLOC_ARENA_MAX: '1', NODE_COMPILE_CACHE: join(runDir, 'compile-cache') }
}
