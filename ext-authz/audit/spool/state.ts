/** Whether decisions can be recorded: `full`: no room (ENOSPC, EDQUOT, EFBIG); `failing`: anything else. */
export type SpoolHealth = 'ok' | 'full' | 'failing'

/** How a spool stands, for metrics and logs. */
export interface SpoolState {
  readonly health: SpoolHealth
  /** The system's code where health is not ok: `ENOSPC`, `EIO`. */
  readonly code: string | undefined
  /** Sequence number of the last record. */
  readonly sequence: number
  /** Bytes of the segment that is written; 0 between two. */
  readonly segmentBytes: number
  /** Bytes that are written but not on the disk yet. */
  readonly unsyncedBytes: number
  /** Age of the oldest of them, ms; 0 where all is on the disk. */
  readonly unsyncedMs: number
  readonly counts: SpoolCounts
}

/** What a spool has counted since it was opened. */
export interface SpoolCounts {
  readonly records: number
  readonly bytes: number
  /** Segments begun. */
  readonly segments: number
  /** Records that were not written: `written(undefined)`. */
  readonly refused: number
  /** Bytes of half a record that a predecessor left. */
  readonly tornBytes: number
  /** Times that records were written again because their sync had failed. */
  readonly rewrites: number
  /** Errors of writing and syncing, by the system's code. */
  readonly errors: ReadonlyMap<string, number>
}
