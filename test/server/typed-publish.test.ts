import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvents, on } from '../../src/index.ts'
import { createRealtimeServer } from '../../src/server/index.ts'

/** What a shared file holds. */
const events = defineEvents({
  'task.updated': on(z.object({ id: z.string(), title: z.string() }), () => {}),
  'task.moved': on(v.object({ id: v.string(), to: v.picklist(['todo', 'done']) }), () => {}),
  'task.due': on(z.object({ at: z.coerce.date() }), () => {}),
  'task.seen': on(z.object({ at: z.date() }), () => {}),
  'tasks.imported': on(z.unknown(), () => {}),
  'tasks.counted': on(
    z.object({ n: z.number() }).refine(async () => true),
    () => {},
  ),
})

function start() {
  const heard: string[] = []
  const server = createRealtimeServer({
    events,
    authenticate: () => ({ user: 'ada' }),
    authorize: () => true,
  })
  return { server, heard }
}

/** What a caller without types can do. */
type Untyped = { publish(topic: string, event: { type: string; data?: unknown }): Promise<unknown> }

describe('publish with a table of events', () => {
  it('takes what its schemas take', async () => {
    const { server } = start()
    await server.publish('t', { type: 'task.updated', data: { id: '1', title: 'Ship' }, mutationId: 'm' })
    await server.publish('t', { type: 'task.moved', data: { id: '1', to: 'done' } })
    await server.publish('t', { type: 'task.due', data: { at: new Date(0) } })
    await server.publish('t', { type: 'tasks.imported' })
    expect(await server.position(['t'])).toMatchObject({ t: { offset: 4 } })
  })

  it.each<[string, unknown, string]>([
    ['task.updated', { id: 1, title: 'Ship' }, "The data of 'task.updated' fails its schema at id:"],
    ['task.moved', { id: '1', to: 'nowhere' }, "The data of 'task.moved' fails its schema at to:"],
    ['task.updated', undefined, "The data of 'task.updated' fails its schema:"],
    ['task.deleted', {}, "'task.deleted' is not in the table of events, so no client would know it."],
    ['constructor', {}, "'constructor' is not in the table of events"],
    ['tasks.counted', { n: 1 }, "'tasks.counted' has an async schema."],
  ])('refuses %s with %j, and says why', async (type, data, message) => {
    const { server } = start()
    const untyped = server as unknown as Untyped
    await expect(untyped.publish('t', { type, data })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining(message),
    })
    expect(await server.position(['t'])).toMatchObject({ t: { offset: 0 } })
  })

  it('refuses what is good here and bad after JSON, where a date is text', async () => {
    const { server } = start()
    await expect(server.publish('t', { type: 'task.seen', data: { at: new Date(0) } })).rejects.toThrow(
      "The data of 'task.seen' fails its schema at at:",
    )
  })
})
