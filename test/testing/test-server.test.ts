import { QueryClient, QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import {
  RealtimeQueryBridge,
  defineEvents,
  invalidate,
  on,
  presenceOf,
  remove,
  upsert,
} from '../../src/index.ts'
import { positionHeader } from '../../src/server/index.ts'
import { createTestBridge, createTestServer, type TestBridge } from '../../src/testing/index.ts'

const Task = z.object({ id: z.string(), title: z.string() })
type Task = z.infer<typeof Task>

const events = defineEvents({
  'task.saved': on(Task, (task) => upsert(['tasks'], task)),
  'task.deleted': on(Task.pick({ id: true }), ({ id }) => remove(['tasks'], id)),
  'tasks.imported': on(z.unknown(), () => invalidate(['tasks'])),
})

const saved = (id: string, title: string) => ({ type: 'task.saved', data: { id, title } }) as const

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** A list on screen, of one topic. */
function watch({ queryClient, bridge }: Pick<TestBridge<typeof events>, 'queryClient' | 'bridge'>) {
  const fetched = vi.fn((): Task[] => [])
  queryClient.mount()
  bridge.start()
  const unmount = new QueryObserver(queryClient, {
    queryKey: ['tasks'],
    queryFn: fetched,
    meta: { topics: ['board'] },
  }).subscribe(() => {})
  stops.push(() => {
    unmount()
    bridge.stop()
    queryClient.unmount()
    queryClient.clear()
  })
  return { fetched, titles: () => queryClient.getQueryData<Task[]>(['tasks'])?.map(({ title }) => title) }
}

function setUp(options: Partial<Parameters<typeof createTestBridge<typeof events>>[0]> = {}) {
  const test = createTestBridge({ events, ...options })
  return { ...test, ...watch(test) }
}

describe.each(['real', 'fake'])('a test bridge, with %s timers', (timers) => {
  beforeEach(() => {
    if (timers === 'fake') vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is live, with its data fetched once, when it has settled', async () => {
    const { bridge, server, settled, fetched, titles } = setUp()
    await settled()
    expect(bridge.status.status).toBe('live')
    expect(server.subscriptions).toEqual(['board'])
    expect(server.connections).toBe(1)
    expect(titles()).toEqual([])
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('has applied what was published when it has settled', async () => {
    const { server, settled, fetched, titles } = setUp()
    await settled()
    for (let id = 1; id <= 20; id++) void server.publish('board', saved(`${id}`, `task ${id}`))
    await server.publish('board', { type: 'task.deleted', data: { id: '1' } })
    await settled()
    expect(titles()).toHaveLength(19)
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('has fetched what an event asks for when it has settled', async () => {
    const { server, settled, fetched, titles } = setUp()
    await settled()
    fetched.mockReturnValue([{ id: '1', title: 'imported' }])
    await server.publish('board', { type: 'tasks.imported' })
    await settled()
    expect(titles()).toEqual(['imported'])
  })

  it('comes back at once after a drop, and is told what it has missed', async () => {
    const { bridge, server, settled, fetched, titles } = setUp()
    await settled()
    server.drop()
    await server.publish('board', saved('1', 'meanwhile'))
    await settled()
    expect(bridge.status.status).toBe('live')
    expect(titles()).toEqual(['meanwhile'])
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('waits while the server is down, and replays when it has come back', async () => {
    const { bridge, server, settled, fetched, titles } = setUp()
    await settled()
    server.goDown()
    await settled()
    expect(bridge.status.status).toBe('waiting')
    expect(server.connections).toBe(0)
    await server.publish('board', saved('1', 'meanwhile'))
    server.comeBack()
    await settled()
    expect(bridge.status.status).toBe('live')
    expect(titles()).toEqual(['meanwhile'])
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('asks again for events that were lost, whether the next comes alone or with them', async () => {
    const { server, settled, fetched, titles } = setUp()
    await settled()
    await server.publish('board', saved('1', 'lost'), { lost: true })
    await settled()
    expect(titles()).toEqual([])
    await server.publish('board', saved('2', 'next'))
    await settled()
    expect(titles()).toEqual(['lost', 'next'])

    void server.publish('board', saved('3', 'before'))
    void server.publish('board', saved('4', 'lost'), { lost: true })
    await server.publish('board', saved('5', 'after'))
    await settled()
    expect(titles()).toEqual(['lost', 'next', 'before', 'lost', 'after'])
    expect(fetched).toHaveBeenCalledOnce()
  })

  it.each([['board'], [undefined]])('fetches when the history of %s is lost', async (topic) => {
    const { server, settled, fetched, titles } = setUp()
    await settled()
    await server.publish('board', saved('1', 'old'))
    await settled()
    fetched.mockReturnValue([{ id: '2', title: 'fetched' }])
    server.reset(topic)
    await settled()
    expect(titles()).toEqual(['fetched'])
    await server.publish('board', saved('3', 'next'))
    await settled()
    expect(titles()).toEqual(['fetched', 'next'])
  })

  it('leaves alone what other topics keep live when one is reset', async () => {
    const { server, settled, fetched } = setUp()
    await settled()
    server.reset('other')
    await settled()
    expect(fetched).toHaveBeenCalledOnce()
  })
})

describe('a test server', () => {
  it('connects several bridges', async () => {
    const ann = setUp({ token: 'ann' })
    const bob = setUp({ server: ann.server, token: 'bob' })
    await Promise.all([ann.settled(), bob.settled()])
    expect(ann.server.connections).toBe(2)
    const place = presenceOf(ann.bridge).join('board', {})
    stops.push(() => {
      place.leave()
    })
    await ann.settled()
    expect(ann.server.presence('board').map(({ user }) => user)).toEqual(['ann'])

    await ann.server.publish('board', saved('1', 'for both'))
    await Promise.all([ann.settled(), bob.settled()])
    expect([ann.titles(), bob.titles()]).toEqual([['for both'], ['for both']])
  })

  it('refuses what clients would skip', async () => {
    const { server, settled, titles } = setUp()
    await settled()
    await expect(server.publish('board', saved(7 as never, 'x'))).rejects.toThrow('fails its schema at id')
    await expect(server.publish('board', { type: 'nope' } as never)).rejects.toThrow('not in the table')
    await settled()
    expect(titles()).toEqual([])
  })

  it('counts positions for each topic, as responses name them', async () => {
    const server = createTestServer({ events })
    const at = await server.position(['board'])
    const next = await server.publish('board', saved('1', 'x'))
    expect(next).toEqual({ epoch: at['board']?.epoch, offset: 1 })
    expect(await positionHeader(server, ['board'])).toContain(next.epoch)
    server.reset('board')
    expect((await server.position(['board']))['board']).not.toEqual(next)
  })

  it('asks for rights, and takes them away', async () => {
    let isAllowed = true
    const server = createTestServer({ events, authorize: () => isAllowed })
    const onError = vi.fn()
    const { bridge, settled } = setUp({ server, onError })
    await settled()
    expect(bridge.topicState('board')).toBe('live')
    isAllowed = false
    server.revoke({ topic: 'board' })
    await settled()
    expect(bridge.topicState('board')).toBe('refused')
    expect(server.subscriptions).toEqual([])
  })

  it('refuses whom it does not know', async () => {
    const server = createTestServer({ events, authenticate: () => null })
    const { bridge, settled } = setUp({ server, onError: () => {} })
    await settled()
    expect(bridge.status).toMatchObject({ status: 'closed', reason: 'unauthorized' })
  })

  it('answers what clients send, and shows it', async () => {
    const server = createTestServer({ events, onSend: ({ data }) => ({ got: data }) })
    const { bridge } = setUp({ server })
    expect(await bridge.send('nudge', { id: 1 })).toMatchObject({ fate: 'acked', data: { got: { id: 1 } } })
    expect(server.sent.map(({ t }) => t)).toEqual(['hello', 'subscribe', 'send'])
  })

  it('serves a bridge that the app makes', async () => {
    const server = createTestServer({ events })
    const queryClient = new QueryClient()
    const bridge = new RealtimeQueryBridge({
      queryClient,
      events,
      transport: server.transport(),
      signals: server.signals,
    })
    const { titles } = watch({ queryClient, bridge })
    await server.settled(bridge)
    await server.publish('board', saved('1', 'first'))
    await server.publish('board', saved('2', 'in the frame after'))
    await server.settled(bridge)
    expect(titles()).toEqual(['first', 'in the frame after'])
    server.goDown()
    await server.settled(bridge)
    server.comeBack()
    await server.settled(bridge)
    expect(bridge.status.status).toBe('live')
  })

  it('ends', async () => {
    const { bridge, server } = setUp()
    await server.settled(bridge)
    await server.close()
    expect(server.connections).toBe(0)
    await expect(server.publish('board', saved('1', 'x'))).rejects.toThrow('closed')
  })
})

describe('a plain backend', () => {
  it('tells everybody who is connected, and nobody afterwards', async () => {
    const { bridge, server, settled, fetched, titles } = setUp({ plain: true })
    await settled()
    expect(bridge.status.status).toBe('live')
    fetched.mockClear()
    await server.publish('any', saved('1', 'heard'))
    await server.publish('any', saved('2', 'lost'), { lost: true })
    await server.publish('other', saved('3', 'heard, too'))
    await settled()
    expect(titles()).toEqual(['heard', 'heard, too'])
    expect(fetched).not.toHaveBeenCalled()
    expect(server.sent).toEqual([])

    server.goDown()
    await settled()
    await server.publish('any', saved('4', 'while nobody listened'))
    fetched.mockReturnValue([{ id: '5', title: 'fetched' }])
    server.comeBack()
    await settled()
    expect(titles()).toEqual(['fetched'])
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('names the mutation that has caused an event', async () => {
    const { bridge, server, settled } = setUp({ plain: true })
    await settled()
    const heard = vi.fn()
    bridge.on('task.saved', (_, event) => {
      heard(event.mutationId)
    })
    await server.publish('any', { ...saved('1', 'x'), mutationId: 'm1' })
    await settled()
    expect(heard).toHaveBeenCalledExactlyOnceWith('m1')
  })
})

describe('settled', () => {
  it('says what it has waited for', async () => {
    const { bridge, settled, fetched } = setUp()
    await settled()
    fetched.mockReturnValue(new Promise(() => {}) as never)
    void bridge.queryClient.refetchQueries()
    await expect(settled({ timeoutMs: 20 })).rejects.toThrow('the query ["tasks"] is fetching')
  })

  it('says that the bridge is not started', async () => {
    await expect(createTestBridge({ events }).settled()).rejects.toThrow('not started')
  })

  it('leaves the environment of act as it was', async () => {
    const scope = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }
    scope.IS_REACT_ACT_ENVIRONMENT = true
    const { settled } = setUp()
    await Promise.all([settled(), settled(), settled()])
    expect(scope.IS_REACT_ACT_ENVIRONMENT).toBe(true)
    delete scope.IS_REACT_ACT_ENVIRONMENT
  })
})
