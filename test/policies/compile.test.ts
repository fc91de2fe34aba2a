import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Compiled, CompiledRoute } from '../../policies/compile.ts'
import { loadDefinitions } from '../../policies/load.ts'
import { policyText } from '../../policies/policy.ts'
import { definition, folderOf } from './definition-folder.ts'

const SHIPPED = fileURLToPath(new URL('../../policies/gateways', import.meta.url))

async function compiled(folder: string, bindings?: object): Promise<Compiled> {
  const file = bindings === undefined ? undefined : join(await folderOf({}), 'bindings.json')
  if (file !== undefined) await writeFile(file, JSON.stringify(bindings))
  const loaded = await loadDefinitions(folder, { bindings: file })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  return loaded.definitions
}

function route({ gateways }: Compiled, gateway: string, name: string): CompiledRoute {
  const found = gateways.find((each) => each.name === gateway)?.routes.find((each) => each.name === name)
  if (found === undefined) throw new Error(`${gateway} has no route ${name}`)
  return found
}

test('RT-1 the shipped gateways compile, each route with a complete policy', async () => {
  const definitions = await compiled(SHIPPED)
  expect(definitions.gateways.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'central central',
    'customer CP',
    'partner PP',
  ])
  for (const { name, upstreams, routes } of definitions.gateways) {
    for (const { policy, target, path } of routes) {
      expect(policy).toMatchObject({ v: 1, gateway: name, path, split: target.paid !== target.trial })
      expect(upstreams.map((upstream) => upstream.name)).toEqual(expect.arrayContaining(Object.values(target)))
      expect(policy.source).toMatch(new RegExp(`^policies/gateways/${name}\\.ts:\\d+$`))
      expect(policyText(policy).length).toBeLessThan(1_600)
    }
  }
})

test('AZ-3 PP asks for a permission on every route that knows its caller, CP on none', async () => {
  const { gateways } = await compiled(SHIPPED)
  const asks = (name: string) =>
    gateways
      .find((gateway) => gateway.name === name)
      ?.routes.filter(({ policy }) => policy.identity.kind === 'jwt')
      .map(({ policy }) => policy.rbac !== undefined)
  expect(new Set(asks('partner'))).toEqual(new Set([true]))
  expect(new Set(asks('customer'))).toEqual(new Set([false]))
})

test('AZ-2, AZ-4 a route of PP carries everything that ext-authz needs', async () => {
  const shown = route(await compiled(SHIPPED), 'partner', 'show agent')
  expect(shown).toMatchObject({
    methods: ['GET'],
    path: '/api/v1/agents/{id}',
    target: { paid: 'plant', trial: 'sandbox' },
    timeoutMs: 15_000,
    retries: { attempts: 1, on: ['connect-failure', 'refused-stream', 'reset-before-request'] },
    headers: {},
  })
  expect(shown.policy).toEqual({
    v: 1,
    gateway: 'partner',
    type: 'PP',
    route: 'show agent',
    source: shown.source,
    path: '/api/v1/agents/{id}',
    identity: { kind: 'jwt', issuers: [expect.anything(), expect.anything(), expect.anything()] },
    rbac: { permission: 'agents:read', resource: 'agents', action: 'read', idSegment: 3 },
    split: true,
    upgradeUrl: 'https://waooaw.com/upgrade',
    audit: { onFailure: 'degrade' },
    sources: {
      identity: expect.stringMatching(/partner\.ts:\d+$/),
      rbac: expect.stringMatching(/partner\.ts:\d+$/),
      target: expect.stringMatching(/partner\.ts:\d+$/),
    },
  })
})

test('ID-3 issuers travel whole, with the defaults of 5 s and a day', async () => {
  const { policy } = route(await compiled(SHIPPED), 'customer', 'list agents')
  expect(policy.identity).toEqual({
    kind: 'jwt',
    issuers: [
      {
        name: 'waooaw',
        issuer: 'waooaw.com',
        jwks: 'https://waooaw.com/.well-known/jwks.json',
        algorithms: ['RS256'],
        claims: expect.objectContaining({ user_id: 'user_id', roles: 'roles' }),
        clockToleranceSeconds: 5,
        maxLifetimeSeconds: 86_400,
      },
    ],
  })
})

test('ID-6 an open route keeps its reason, asks for nothing and does not split', async () => {
  const { policy } = route(await compiled(SHIPPED), 'partner', 'health')
  expect(policy).toMatchObject({
    identity: { kind: 'open', reason: 'health probes carry no credentials' },
    split: false,
  })
  expect(policy.rbac).toBeUndefined()
})

test('AZ-2 deploying is an action of its own', async () => {
  const folder = await folderOf({
    'a.ts': definition('a', `type: 'PP', routes: { deploy: post('/deployments') },`),
  })
  expect(route(await compiled(folder), 'a', 'deploy').policy.rbac?.permission).toBe('deployments:deploy')
})

test('bindings replace addresses, never rules; the authority stays as written', async () => {
  const definitions = await compiled(SHIPPED, {
    upstreams: { 'plant:8000': '127.0.0.1:9001', 'long-gone:80': '127.0.0.1:9' },
    issuers: { waooaw: { issuer: 'http://127.0.0.1:9000', jwks: 'http://127.0.0.1:9000/jwks' } },
    listeners: { public: { address: '127.0.0.1', port: 18_080, tlsPort: 18_443 } },
    certificates: { edge: { certificate: 'edge.pem', key: '/keys/edge.key' } },
  })
  expect(definitions.listeners).toEqual([
    {
      name: 'public',
      address: '127.0.0.1',
      port: 18_080,
      tls: { port: 18_443, certificate: 'edge', minimumVersion: 'TLSv1.3' },
      redirectToHttps: false,
      trustedHops: 0,
      certificate: { certificate: expect.stringMatching(/^\/.*\/edge\.pem$/), key: '/keys/edge.key' },
    },
  ])
  const [plant, sandbox] = definitions.gateways.find(({ name }) => name === 'customer')?.upstreams ?? []
  expect(plant).toMatchObject({ host: '127.0.0.1', port: 9001, authority: 'plant', connectTimeoutMs: 2_000 })
  expect(sandbox).toMatchObject({ host: 'plant-sandbox', port: 8001, authority: 'plant-sandbox' })
  expect(route(definitions, 'customer', 'list agents').policy.identity).toMatchObject({
    issuers: [{ issuer: 'http://127.0.0.1:9000', jwks: 'http://127.0.0.1:9000/jwks', algorithms: ['RS256'] }],
  })
})

test('what a route says goes before what its gateway says, address lists and scopes add up', async () => {
  const folder = await folderOf({
    'a.ts': definition(
      'a',
      `timeout: '20s',
  addresses: ['10.0.0.0/8'],
  scopes: ['marketing:*'],
  upgradeUrl: 'https://a.example/upgrade',
  headers: { request: { 'x-team': 'a', 'x-area': 'b' } },
  retries: { attempts: 0, on: ['reset'] },`,
      `own: post('/own/{id}/*', {
        timeout: '1.5s', addresses: ['10.1.0.0/16'], scopes: ['marketing:write'], target: 'plant', rbac: true,
        resource: 'agents', action: 'update', headers: { request: { 'x-team': 'c' } }, stripPrefix: '/a/own',
        retries: { attempts: 2, on: ['5xx'], perTryTimeout: '500ms' }
      }),`,
    ),
  })
  const definitions = await compiled(folder)
  expect(route(definitions, 'a', 'own')).toMatchObject({
    methods: ['POST'],
    path: '/a/own/{id}/*',
    target: { paid: 'plant', trial: 'plant' },
    timeoutMs: 1_500,
    stripPrefix: '/a/own',
    headers: { request: { 'x-team': 'c', 'x-area': 'b' } },
    retries: { attempts: 2, on: ['5xx'], perTryTimeoutMs: 500 },
    policy: {
      addresses: [['10.0.0.0/8'], ['10.1.0.0/16']],
      scopes: { all: ['marketing:write'], anyOf: ['marketing:*'] },
      rbac: { permission: 'agents:update', idSegment: 2 },
      split: false,
      upgradeUrl: 'https://a.example/upgrade',
    },
  })
  expect(route(definitions, 'a', 'first').policy).toMatchObject({
    addresses: [['10.0.0.0/8']],
    scopes: { all: [], anyOf: ['marketing:*'] },
    split: true,
  })
})

test('RT-4 CORS is complete: methods of the routes, headers and ten minutes by default', async () => {
  const folder = await folderOf({
    'a.ts': definition('a', `cors: { origins: ['https://a.example'] },`, `x: del('/x'), y: patch('/y'),`),
    'b.ts': definition(
      'b',
      `cors: { origins: ['https://b.example'], credentials: true, maxAge: '30s' },`,
      `x: all('/x'),`,
    ),
  })
  const { gateways } = await compiled(folder)
  expect(gateways.map(({ cors }) => cors)).toEqual([
    {
      origins: ['https://a.example'],
      methods: ['GET', 'PATCH', 'DELETE'],
      headers: ['authorization', 'content-type', 'x-correlation-id'],
      exposeHeaders: [],
      credentials: false,
      maxAgeSeconds: 600,
    },
    expect.objectContaining({
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      credentials: true,
      maxAgeSeconds: 30,
    }),
  ])
})

test('the route / of a gateway is its prefix', async () => {
  const folder = await folderOf({
    'a.ts': definition('a', '', `root: get('/'), below: get('/*'),`),
    'b.ts': definition('b', `prefix: '/b/c', routes: { root: get('/') },`),
  })
  const definitions = await compiled(folder)
  expect(route(definitions, 'a', 'root').path).toBe('/a')
  expect(route(definitions, 'a', 'below').path).toBe('/a/*')
  expect(route(definitions, 'b', 'root').path).toBe('/b/c')
})

test('the same definitions compile to the same text', async () => {
  expect(JSON.stringify(await compiled(SHIPPED))).toBe(JSON.stringify(await compiled(SHIPPED)))
})
