import { http, HttpResponse } from 'msw'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineEvents, on, type RealtimeQueryBridge } from '../../src/index.ts'
import { positionHeader, withPosition } from '../../src/server/index.ts'
import { createTestBridge, createTestServer } from '../../src/testing/index.ts'

const events = defineEvents({
  'task.updated': on(z.object({ id: z.string(), title: z.string() }), () => {}),
  'tasks.imported': on(z.unknown(), () => {}),
})

describe('a test server', () => {
  const server = createTestServer({ events })

  it('publishes what is in the table', () => {
    void server.publish('t', { type: 'task.updated', data: { id: '1', title: 'x' }, mutationId: 'm' })
    void server.publish('t', { type: 'tasks.imported' }, { lost: true })
    // @ts-expect-error -- not in the table
    void server.publish('t', { type: 'task.deleted', data: { id: '1' } })
    // @ts-expect-error -- the title is missing
    void server.publish('t', { type: 'task.updated', data: { id: '1' } })
  })

  it('positions responses as the server kit does', () => {
    expectTypeOf(positionHeader(server, ['t'])).resolves.toBeString()
    http.get('/tasks', () => withPosition(server, ['t'], () => HttpResponse.json([])))
  })
})

describe('a test bridge', () => {
  const { bridge, server } = createTestBridge({ events })

  it('is typed by the table', () => {
    expectTypeOf(bridge).toEqualTypeOf<RealtimeQueryBridge<typeof events>>()
    bridge.on('task.updated', (data) => {
      expectTypeOf(data).toEqualTypeOf<{ id: string; title: string }>()
    })
    void server.publish('t', { type: 'task.updated', data: { id: '1', title: 'x' } })
    // @ts-expect-error -- not in the table
    void server.publish('t', { type: 'task.deleted', data: { id: '1' } })
  })

  it('shares a server of the same table', () => {
    createTestBridge({ events, server, token: 'ann' })
    const other = createTestServer({ events: defineEvents({ other: on(z.string(), () => {}) }) })
    // @ts-expect-error -- a server of another table
    createTestBridge({ events, server: other })
  })

  it('has its own transport', () => {
    // @ts-expect-error -- the transport is the test server's
    createTestBridge({ events, transport: server.transport() })
  })
})
