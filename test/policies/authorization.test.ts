import { expect, test } from 'vitest'
import { resourceAction } from '../../policies/compiling/authorization.ts'
import type { Method } from '../../policies/define.ts'

interface Row {
  readonly method: Method
  readonly path: string
  readonly resource?: string
  readonly action?: string
}

const ROWS: readonly (readonly [Row, object])[] = [
  [
    { method: 'GET', path: '/agents' },
    { resource: 'agents', action: 'read' },
  ],
  [
    { method: 'GET', path: '/agents/{id}' },
    { resource: 'agents', action: 'read', idSegment: 1 },
  ],
  [
    { method: 'POST', path: '/agents' },
    { resource: 'agents', action: 'create' },
  ],
  [
    { method: 'PUT', path: '/agents/{id}' },
    { resource: 'agents', action: 'update', idSegment: 1 },
  ],
  [
    { method: 'PATCH', path: '/agents/{id}' },
    { resource: 'agents', action: 'update', idSegment: 1 },
  ],
  [
    { method: 'DELETE', path: '/agents/{id}' },
    { resource: 'agents', action: 'delete', idSegment: 1 },
  ],
  [
    { method: 'POST', path: '/deployments' },
    { resource: 'deployments', action: 'deploy' },
  ],
  [
    { method: 'POST', path: '/deployments/{id}' },
    { resource: 'deployments', action: 'create', idSegment: 1 },
  ],
  [
    { method: 'PUT', path: '/deployments' },
    { resource: 'deployments', action: 'update' },
  ],
  [
    { method: 'POST', path: '/deployments', action: 'create' },
    { resource: 'deployments', action: 'create' },
  ],
  [
    { method: 'GET', path: '/agents/{id}/tasks/{task}' },
    { resource: 'agents', action: 'read', idSegment: 1 },
  ],
  [
    { method: 'GET', path: '/agents/{id}/tasks/{task}', resource: 'tasks' },
    { resource: 'tasks', action: 'read', idSegment: 3 },
  ],
  [
    { method: 'GET', path: '/agents/{id}/tasks', resource: 'tasks' },
    { resource: 'tasks', action: 'read' },
  ],
  [
    { method: 'GET', path: '/bots/{id}', resource: 'agents' },
    { resource: 'agents', action: 'read', idSegment: 1 },
  ],
  [
    { method: 'GET', path: '/{tenant}/agents' },
    { action: 'read', idSegment: 0 },
  ],
  [{ method: '*', path: '/agents/*' }, { resource: 'agents' }],
  [{ method: 'GET', path: '/' }, { action: 'read' }],
  [{ method: 'GET', path: '/*' }, { action: 'read' }],
]

test.each(ROWS)('AZ-2 %o maps to %o', (route, expected) => {
  expect(resourceAction(route)).toEqual(expected)
})
