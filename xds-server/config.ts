import { isAbsolute } from 'node:path'
import { DEFAULT_PROBLEM_BASE } from '../policies/problems.ts'
import { configure, type Setting, SettingError } from '../runtime/config.ts'
import { LOG_LEVEL, loopback, optionalText, port, text, url } from '../runtime/settings.ts'

const accessLog: Setting<string | undefined> = {
  name: 'SALLYPORT_ACCESS_LOG',
  doc: 'File, on Envoy’s machine, to which Envoy writes one line for every request; without it there is no access log.',
  default: undefined,
  parse: (path) => {
    if (isAbsolute(path)) return path
    throw new SettingError('an absolute path: Envoy runs in a folder of its own')
  },
}

const SETTINGS = {
  definitions: text('SALLYPORT_DEFINITIONS', {
    doc: 'Folder of gateway definitions; watched, an edit is live within a second.',
    default: 'policies/gateways',
  }),
  bindings: optionalText(
    'SALLYPORT_BINDINGS',
    'JSON file of what a deployment substitutes: addresses and certificate files, never policy; watched.',
  ),
  xdsAddress: loopback('SALLYPORT_XDS_ADDRESS', {
    doc: 'Address of the ADS port. It speaks plain text and carries private keys, so it is loopback only (XD-5).',
    default: '127.0.0.1',
  }),
  xdsPort: port('SALLYPORT_XDS_PORT', 18_000, 'Where Envoys connect for their configuration (ADS over gRPC).'),
  statusPort: port('SALLYPORT_STATUS_PORT', 18_001, 'Serves /status, /metrics, /healthz and /ready on loopback.'),
  problemBase: url('SALLYPORT_PROBLEM_BASE', {
    doc: 'What the `type` of every problem document starts with.',
    default: DEFAULT_PROBLEM_BASE,
  }),
  upstreamCa: text('SALLYPORT_UPSTREAM_CA', {
    doc: 'PEM file of certificate authorities on Envoy’s machine, by which certificates of `https` upstreams are checked.',
    default: '/etc/ssl/certs/ca-certificates.crt',
  }),
  accessLog,
  logLevel: LOG_LEVEL,
} as const

/** The configuration of xds-server. */
export const readXdsConfig = () => configure('xds-server', SETTINGS)
