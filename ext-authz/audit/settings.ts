import { hostname } from 'node:os'
import { type Setting, SettingError } from '../../runtime/config.ts'
import { integer, oneOf, optionalText } from '../../runtime/settings.ts'

const NODE = /^[A-Za-z0-9-]{1,63}$/

/** `SALLYPORT_NODE`: the name of this gateway pod in event ids and rows; ext-authz and its recorder must agree. */
export const NODE_NAME: Setting<string> = {
  name: 'SALLYPORT_NODE',
  doc: 'Name of this gateway pod in every audit row; unlike that of every other pod, and the same after a restart.',
  default: fitting(hostname()),
  parse: (value) => {
    if (NODE.test(value)) return value
    throw new SettingError('1 to 63 letters, digits and hyphens')
  },
}

/** `SALLYPORT_SPOOL_DIR`: the folder with one folder of segments per worker; absent: `spool` in the run directory. */
export const SPOOL_DIR = optionalText(
  'SALLYPORT_SPOOL_DIR',
  'Folder of the decision spools, one folder per worker, on a disk that survives a restart; without it, spool in SALLYPORT_RUN_DIR.',
)

/** `SALLYPORT_ACCESS_LOG`: the live file of Envoy's access log; its folder counts in the spool quota. */
export const ACCESS_LOG = optionalText(
  'SALLYPORT_ACCESS_LOG',
  'Absolute path of Envoy’s live access log; its folder counts in SALLYPORT_SPOOL_QUOTA.',
)

/** `SALLYPORT_SPOOL_MODE`: when a decision counts as written. */
export const SPOOL_MODE = oneOf('SALLYPORT_SPOOL_MODE', ['group', 'strict'], {
  doc: 'group answers once a decision is with the operating system and on the disk within 20 ms; strict waits for the disk.',
  default: 'group',
})

/** `SALLYPORT_SPOOL_QUOTA`: bytes of all spools and the access log together. */
export const SPOOL_QUOTA: Setting<number> = integer('SALLYPORT_SPOOL_QUOTA', {
  doc: 'Room for the spools of all workers and the access log; from 95 % on each route’s audit.onFailure decides.',
  unit: 'bytes',
  default: 2 ** 30,
  min: 65_536,
  max: 2 ** 50,
})

/** `SALLYPORT_SEGMENT_BYTES`: when a segment of a spool ends. */
export const SEGMENT_BYTES: Setting<number> = integer('SALLYPORT_SEGMENT_BYTES', {
  doc: 'A segment of a spool ends at this size; the recorder deletes whole segments only.',
  unit: 'bytes',
  default: 2 ** 26,
  min: 65_536,
  max: 2 ** 30,
})

/** `SALLYPORT_SEGMENT_SECONDS`: the same by age. */
export const SEGMENT_SECONDS: Setting<number> = integer('SALLYPORT_SEGMENT_SECONDS', {
  doc: 'A segment of a spool ends at this age.',
  unit: 's',
  default: 60,
  min: 1,
  max: 86_400,
})

/** A host name with what a node name cannot have replaced by hyphens. */
function fitting(name: string): string {
  const fit = name.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 63)
  return fit === '' ? 'node' : fit
}
