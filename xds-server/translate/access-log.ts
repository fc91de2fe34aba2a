import { ACCESS_LOG_FORMAT } from '../../envoy/access-log.ts'
import { any } from '../../protos/any.ts'
import type { AccessLog } from '../../protos/gen/envoy/config/accesslog/v3/AccessLog.ts'
import { struct } from './values.ts'

/**
 * One JSON line for every request of a listener, whoever answers it, at the end of the request (AU-1). `path`: absolute, on Envoy's
 * machine.
 */
export function accessLog(path: string): AccessLog {
  return {
    name: 'envoy.access_loggers.file',
    typed_config: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
      path,
      // Every line has every key: empty values are null, not left out.
      log_format: { json_format: struct(ACCESS_LOG_FORMAT) },
    }),
  }
}
