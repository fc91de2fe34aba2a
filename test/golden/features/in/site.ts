import { defineGateway, get, http, open } from '../../../../policies/define.ts'

/** On every host, so also on those of the shop. */
export default defineGateway({
  name: 'site',
  type: 'central',
  identity: open('a public site without accounts'),
  upstreams: { pages: http('127.0.0.1:9000') },
  target: 'pages',
  routes: { pages: get('/*'), items: get('/api/items/{id}/picture') },
})
