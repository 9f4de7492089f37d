import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { defineEvents, on } from '../../src/index.ts'
import {
  attachWebSocket,
  createRealtimeServer,
  sseHandler,
  tokenExpired,
  type RealtimeAction,
  type UpgradingServer,
} from '../../src/server/index.ts'

const events = defineEvents({
  'task.updated': on(z.object({ id: z.string(), title: z.string() }), () => {}),
  'tasks.imported': on(z.unknown(), () => {}),
})

const authenticate = ({ token }: { token: string | undefined }) =>
  token ? { id: token, isAdmin: false } : null

const server = createRealtimeServer({ events, authenticate, authorize: () => true })

describe('publish', () => {
  it('is typed by the table', () => {
    void server.publish('t', { type: 'task.updated', data: { id: '1', title: 'x' }, mutationId: 'm' })
    void server.publish('t', { type: 'tasks.imported' })
    void server.publish('t', { type: 'tasks.imported', data: 7 })
    // @ts-expect-error -- not in the table
    void server.publish('t', { type: 'task.deleted', data: { id: '1' } })
    // @ts-expect-error -- the title is missing
    void server.publish('t', { type: 'task.updated', data: { id: '1' } })
    // @ts-expect-error -- the data is missing
    void server.publish('t', { type: 'task.updated' })
  })

  it('takes any event without a table', () => {
    const open = createRealtimeServer({ authenticate, authorize: () => true })
    void open.publish('t', { type: 'anything', data: { at: 'all' } })
    void open.publish('t', { type: 'anything' })
  })
})

describe('a typed server', () => {
  it('fits every adapter', () => {
    attachWebSocket(server, {} as UpgradingServer)
    sseHandler(server)
  })
})

describe('the identity', () => {
  it('is what authenticate returns, with its argument written out in place', () => {
    createRealtimeServer({
      authenticate: async ({ token }) => {
        await Promise.resolve()
        return token === undefined ? tokenExpired : { id: token }
      },
      authorize: ({ identity }) => {
        expectTypeOf(identity).toEqualTypeOf<{ id: string }>()
        return true
      },
    })
  })

  it('is the same type in every function', () => {
    createRealtimeServer({
      authenticate,
      authorize: ({ identity, action }) => {
        expectTypeOf(identity).toEqualTypeOf<{ id: string; isAdmin: boolean }>()
        expectTypeOf(action).toEqualTypeOf<RealtimeAction>()
        return identity.isAdmin
      },
      userId: (identity) => {
        expectTypeOf(identity).toEqualTypeOf<{ id: string; isAdmin: boolean }>()
        return identity.id
      },
      onSend: ({ identity, data }) => {
        expectTypeOf(identity).toEqualTypeOf<{ id: string; isAdmin: boolean }>()
        expectTypeOf(data).toBeUnknown()
      },
    })
  })
})
