import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { renderBootstrap } from '../../../runtime/embedded/bootstrap.ts'
import { envoyBinary } from '../../../runtime/embedded/envoy-binary.ts'
import { workerSockets } from '../../../runtime/embedded/parts/ext-authz.ts'
import { temporaryFolder } from './temporary-folder.ts'

const VALUES = {
  nodeId: 'edge-1',
  nodeCluster: 'sallyport',
  adminPort: 9901,
  xdsAddress: '127.0.0.1',
  xdsPort: 18_000,
  extAuthzSockets: workerSockets('/run/gw', 3),
}

test('the rendered bootstrap is valid for the Envoy that runs it', async () => {
  const file = join(temporaryFolder(), 'envoy.json')
  writeFileSync(file, await renderBootstrap(VALUES))
  const said = execFileSync(await envoyBinary(), ['--mode', 'validate', '-c', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  expect(said).toContain('OK')
})

test('the ext-authz cluster has one pipe per worker and the settings that lose no request', async () => {
  const { static_resources: resources } = JSON.parse(await renderBootstrap(VALUES))
  const [xds, authz] = resources.clusters
  expect(authz.load_assignment.endpoints[0].lb_endpoints).toEqual(
    [0, 1, 2].map((worker) => ({ endpoint: { address: { pipe: { path: `/run/gw/ext-authz-${worker}.sock` } } } })),
  )
  expect(authz.circuit_breakers.thresholds[0].max_retries).toBe(1000)
  expect(authz.health_checks[0]).toMatchObject({ interval: '0.5s', grpc_health_check: {} })
  const options = authz.typed_extension_protocol_options['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']
  expect(options.retry_policy).toMatchObject({
    num_retries: 5,
    retry_on: 'connect-failure,refused-stream,unavailable,reset,reset-before-request',
    retry_back_off: { base_interval: '0.01s' },
    retry_host_predicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
    host_selection_retry_max_attempts: 5,
  })
  expect(xds.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address).toEqual({
    address: '127.0.0.1',
    port_value: 18_000,
  })
})

test('a value is data, whatever it holds: it cannot change the structure around it', async () => {
  const nodeId = `a"}, admin: {address: {pipe: {path: /tmp/x}}} # \${adminPort}`
  const { node, admin } = JSON.parse(await renderBootstrap({ ...VALUES, nodeId }))
  expect(node.id).toBe(nodeId)
  expect(admin.address.socket_address).toEqual({ address: '127.0.0.1', port_value: 9901 })
})
