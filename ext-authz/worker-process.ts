import { join } from 'node:path'

/**
 * How a worker's Node is started. Its garbage is mostly HTTP/2 streams that outlive the young generation, and V8 lets the old one
 * grow to three times what is alive before it collects: the growth is held down to fit Envoy and a worker into 256 MB (PF-3). Four
 * MiB of young generation instead of Node 24's default cost no speed here (docs/benchmarks.md). Nothing is put into the old generation
 * at birth: V8 learns to from tokens that wait for their verification, then does it for all, and each such object keeps what it
 * refers to, such as every header of its request, until a full collection; that was a third of what outlived the young one.
 */
export const WORKER_FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=4',
  '--heap-growing-percent=25',
  '--no-allocation-site-pretenuring',
] as const

/** Freed memory at the end of malloc's heap goes back from so many bytes on; without a word glibc raises that to tens of MB. */
const TRIM_BYTES = String(2 ** 20)

/** Environment of a worker besides its settings: one malloc arena that gives back, and compiled code that survives a restart. */
export function workerEnvironment(runDir: string): Record<string, string> {
  return {
    MALLOC_ARENA_MAX: '1',
    MALLOC_TRIM_THRESHOLD_: TRIM_BYTES,
    NODE_COMPILE_CACHE: join(runDir, 'compile-cache'),
  }
}
