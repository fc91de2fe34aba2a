import { defineGateway, get, http, jwt, open, post } from '../../policies/define.ts'

/*
 * What the compiler refuses (XD-1): tsc fails where a line below `@ts-expect-error` compiles. Nothing runs this file.
 */
const gateway = {
  name: 'a',
  type: 'CP',
  identity: jwt('waooaw'),
  upstreams: { plant: http('plant:8000'), sandbox: http('plant-sandbox:8001') },
} as const

export const right = defineGateway({
  ...gateway,
  target: { paid: 'plant', trial: 'sandbox' },
  routes: { x: get('/x'), y: get('/y', { target: 'plant', timeout: '15s', identity: open('nobody is asked') }) },
})

// @ts-expect-error a misspelt upstream as target of the gateway
export const target = defineGateway({ ...gateway, target: 'plnat', routes: { x: get('/x') } })

// @ts-expect-error a misspelt upstream for trial users
export const trial = defineGateway({ ...gateway, target: { paid: 'plant', trial: 'sandbx' }, routes: { x: get('/x') } })

// @ts-expect-error a misspelt upstream as target of a route
export const routeTarget = defineGateway({ ...gateway, target: 'plant', routes: { x: get('/x', { target: 'plnat' }) } })

// @ts-expect-error an unknown issuer
export const issuer = jwt('waoaw')

// @ts-expect-error no issuer at all
export const nobody = jwt()

// @ts-expect-error an open route without its reason
export const closed = open()

// @ts-expect-error a time without a unit
export const unit = get('/x', { timeout: '15' })

// @ts-expect-error a unit that does not exist
export const hours = get('/x', { timeout: '1h' })

// @ts-expect-error a path that does not start with a slash
export const path = get('x')

// @ts-expect-error a misspelt option
export const option = post('/x', { scope: ['a:b'] })

// @ts-expect-error an unknown retry condition
export const retries = get('/x', { retries: { attempts: 1, on: ['conect-failure'] } })

// @ts-expect-error an unknown listener
export const listener = defineGateway({ ...gateway, listener: 'publik', target: 'plant', routes: { x: get('/x') } })

// @ts-expect-error a field that nothing enforces
export const limits = defineGateway({ ...gateway, target: 'plant', limits: {}, routes: { x: get('/x') } })

// @ts-expect-error identity must be said
export const identity = defineGateway({
  name: 'a',
  type: 'CP',
  upstreams: gateway.upstreams,
  target: 'plant',
  routes: {},
})

export const audited = get('/x', { audit: { onFailure: 'degrade', query: ['page'], body: false } })

// @ts-expect-error a third thing to do when a decision cannot be written
export const ignored = get('/x', { audit: { onFailure: 'ignore' } })

// @ts-expect-error a body without its limit
export const unlimited = get('/x', { audit: { body: { mask: ['iban'] } } })
