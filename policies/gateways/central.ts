import { defineGateway, get, http, jwt, open, post } from '../define.ts'

const probe = open('health probes and public documents carry no credentials')

/** The platform's front door: health, documents and what every product shares (RT-1, ID-6). */
export default defineGateway({
  name: 'central',
  type: 'central',
  identity: jwt('waooaw', 'admin'),
  upstreams: { plant: http('plant:8000') },
  target: 'plant',
  routes: {
    health: get('/health', { identity: probe }),
    healthz: get('/healthz', { identity: probe }),
    ping: get('/ping', { identity: probe }),
    ready: get('/ready', { identity: probe }),
    metrics: get('/metrics', { identity: probe }),
    docs: get('/docs', { identity: probe }),
    redoc: get('/redoc', { identity: probe }),
    openapi: get('/openapi.json', { identity: probe }),
    'who am i': get('/api/me'),
    'list gateways': get('/api/gateways'),
    'send feedback': post('/api/feedback'),
  },
})
