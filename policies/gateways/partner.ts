import { defineGateway, del, get, http, jwt, open, patch, post } from '../define.ts'

/** Which part of a list was read; filters may hold names of people and are not recorded. */
const page = { query: ['page', 'limit'] } as const

/** The partner platform (PP): every route asks for a permission (RT-1, AZ-3). */
export default defineGateway({
  name: 'partner',
  type: 'PP',
  prefix: '/api/v1',
  identity: jwt('waooaw', 'waooaw-ai', 'keycloak'),
  cors: { origins: ['https://partners.waooaw.com'], credentials: true },
  upstreams: { plant: http('plant:8000'), sandbox: http('plant-sandbox:8001') },
  target: { paid: 'plant', trial: 'sandbox' },
  routes: {
    health: get('/health', { identity: open('health probes carry no credentials'), target: 'plant' }),
    'list agents': get('/agents', { audit: page }),
    'show agent': get('/agents/{id}'),
    'create agent': post('/agents', { audit: { body: { maxBytes: 8_192, mask: ['api_key', 'webhook_url'] } } }),
    'change agent': patch('/agents/{id}'),
    'delete agent': del('/agents/{id}'),
    'list deployments': get('/deployments', { audit: page }),
    'show deployment': get('/deployments/{id}'),
    deploy: post('/deployments', { action: 'deploy', timeout: '60s' }),
    'list tasks': get('/tasks', { audit: page }),
    'show task': get('/tasks/{id}'),
    'start task': post('/tasks'),
    'cancel task': del('/tasks/{id}'),
    'list users': get('/users', { audit: page }),
    'invite user': post('/users'),
    'remove user': del('/users/{id}'),
    'list reports': get('/reports', { audit: page }),
    'show billing': get('/billing'),
    'read audit': get('/audit', { audit: { ...page, onFailure: 'deny' } }),
    'show settings': get('/settings'),
    'change settings': patch('/settings'),
  },
})
