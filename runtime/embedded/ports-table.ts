import { port } from '../settings.ts'

/** Every port that `up` uses, each with the setting that moves it; defaults from the table of processes in ARCHITECTURE.md. */
export const PORT_SETTINGS = {
  http: port('SALLYPORT_HTTP_PORT', 8080, 'Public listener, HTTP.'),
  https: port('SALLYPORT_HTTPS_PORT', 8443, 'Public listener, TLS.'),
  internal: port('SALLYPORT_INTERNAL_PORT', 8081, 'Internal listener, HTTP.'),
  admin: port('SALLYPORT_ADMIN_PORT', 9901, "Envoy's admin interface."),
  xds: port('SALLYPORT_XDS_PORT', 18_000, 'xDS (gRPC) of the control plane.'),
  status: port('SALLYPORT_STATUS_PORT', 18_001, 'Status and metrics of the control plane.'),
  authzMetrics: port('SALLYPORT_AUTHZ_METRICS_PORT', 18_002, 'Metrics of ext-authz.'),
  recorderMetrics: port('SALLYPORT_RECORDER_METRICS_PORT', 18_003, 'Metrics of the recorder.'),
  postgres: port('SALLYPORT_POSTGRES_PORT', 15_432, 'Embedded PostgreSQL.'),
  issuer: port('SALLYPORT_ISSUER_PORT', 9000, 'Development issuer.'),
  plant: port('SALLYPORT_PLANT_PORT', 8000, 'Sample upstream, production.'),
  sandbox: port('SALLYPORT_SANDBOX_PORT', 8001, 'Sample upstream, sandbox.'),
} as const

export type PortName = keyof typeof PORT_SETTINGS

/** A port number for each row; all on loopback. */
export type Ports = Readonly<Record<PortName, number>>
