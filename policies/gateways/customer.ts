import { defineGateway, del, get, http, jwt, open, patch, post, put } from '../define.ts'

/** The customer portal (CP): no RBAC, trial users work in the sandbox (RT-1, AZ-3, AZ-4). */
export default defineGateway({
  name: 'customer',
  type: 'CP',
  prefix: '/api/cp/v1',
  identity: jwt('waooaw'),
  cors: { origins: ['https://portal.waooaw.com'], credentials: true },
  upstreams: { plant: http('plant:8000'), sandbox: http('plant-sandbox:8001') },
  target: { paid: 'plant', trial: 'sandbox' },
  routes: {
    health: get('/health', { identity: open('health probes carry no credentials'), target: 'plant' }),
    'list agents': get('/agents'),
    'show agent': get('/agents/{id}'),
    'hire agent': post('/agents'),
    'change agent': patch('/agents/{id}'),
    'release agent': del('/agents/{id}'),
    'list tasks': get('/tasks'),
    'show task': get('/tasks/{id}'),
    'start task': post('/tasks'),
    'cancel task': del('/tasks/{id}'),
    'list deployments': get('/deployments'),
    deploy: post('/deployments', { action: 'deploy', timeout: '60s' }),
    'show billing': get('/billing', { target: 'plant' }),
    'update billing': put('/billing', { target: 'plant' }),
    'show subscription': get('/subscriptions', { target: 'plant' }),
  },
})
