/** What can be wrong with a spool. */
const SPOOL_FAULTS = [
  // Bytes that are no record: a flipped byte, or overwritten ones.
  'damaged-record',
  // A record was taken out, or several.
  'missing-record',
  // A record was exchanged: its checksum is right, but the chain does not lead to it, or not on from it.
  'broken-chain',
  // The header is damaged or was changed.
  'bad-header',
  // A segment under another's name.
  'swapped-segment',
  // A segment is gone.
  'missing-segment',
  // Records are missing at a segment's end.
  'truncated-tail',
  // The newest segment ends within a record: its writer was killed, or is writing just now.
  'torn-tail',
  // The footer is damaged, does not fit the records, or is not the end.
  'wrong-footer',
  // What says where the first segment begins is damaged.
  'bad-base',
] as const

/** The name of a fault. */
export type SpoolFaultKind = (typeof SPOOL_FAULTS)[number]

/** One fault of a spool: what, where, and what should be there. */
export interface SpoolFault {
  readonly kind: SpoolFaultKind
  /** File name. */
  readonly segment: string
  readonly offset: number
  /** Of the record that is at fault, or the first of them. */
  readonly sequence: number
  readonly expected: string
  readonly found: string
}
