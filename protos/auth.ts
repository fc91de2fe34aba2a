import type { AuthorizationDefinition } from './gen/envoy/service/auth/v3/Authorization.ts'
import { loadProtos } from './load.ts'

const protos = loadProtos(['envoy/service/auth/v3/external_auth.proto'])

/** `envoy.service.auth.v3.Authorization`, for a grpc-js server. Loads nothing of Envoy's configuration. */
export const authorizationService = protos.service<AuthorizationDefinition>('envoy.service.auth.v3.Authorization')

export const { encode, decode } = protos
