/** L10: a stranger learns nothing. Everything of the last user is gone before the next connection is made. */
import { QueryClient, QueryObserver, onlineManager, MutationObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import type { ServerMessage, WireEvent } from '../../src/core/protocol/messages.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'
import { settled } from '../session/rig.ts'

const events = defineEvents({
  'note.saved': on(z.object({ id: z.number() }), (note) => upsert(['notes'], note)),
})

const fresh = (offset: number): ServerMessage => ({
  t: 'subscribed',
  topic: 'notes',
  outcome: 'fresh',
  position: { epoch: 'e', offset },
  quietMs: 600_000,
})
const saved = (offset: number): WireEvent => ({ type: 'note.saved', data: { id: offset }, offset })

describe('another identity', () => {
  let client: QueryClient
  let user: string
  /** Whose notes were asked for. */
  let fetches: string[]
  let respond: ((id: number) => void)[]
  const transport = () => createFakeTransport({ token: () => `token of ${user}` })
  let fake: ReturnType<typeof transport>
  let bridge: RealtimeQueryBridge<typeof events>
  let unmounts: (() => void)[]

  beforeEach(() => {
    vi.useFakeTimers()
    client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
    client.mount()
    user = 'ada'
    fetches = []
    respond = []
    unmounts = []
    fake = transport()
    bridge = new RealtimeQueryBridge({ queryClient: client, events, transport: fake, identity: 'ada' })
  })
  afterEach(() => {
    onlineManager.setOnline(true)
    for (const unmount of unmounts) unmount()
    bridge.stop()
    client.unmount()
    client.clear()
    vi.useRealTimers()
  })

  const notes = () => ({
    queryKey: ['notes'],
    meta: { topics: ['notes'] },
    staleTime: Infinity,
    queryFn: () => {
      const of = user
      fetches.push(of)
      return new Promise<{ id: number; of: string }[]>((resolve) => {
        respond.push((id) => {
          resolve([{ id, of }])
        })
      })
    },
  })

  function show() {
    const observer = new QueryObserver(client, notes())
    unmounts.push(observer.subscribe(() => undefined))
    return observer
  }

  async function connect(offset = 0) {
    fake.connection.open()
    await settled()
    fake.connection.deliver({ t: 'welcome', connectionId: '1' }, fresh(offset))
    await settled()
  }

  async function ada() {
    bridge.start()
    const observer = show()
    await connect(5)
    respond[0]!(1)
    await settled()
    client.setQueryData(['hidden'], 'of ada')
    return observer
  }

  it('closes the connection, and begins the next one without a position, as somebody else', async () => {
    await ada()
    const [first] = fake.connections
    user = 'bob'
    bridge.setIdentity('bob')
    expect([first?.state, fake.connections.length, bridge.identity]).toEqual(['closed', 2, 'bob'])
    await connect()
    const [hello, subscribe] = fake.connection.sent as Record<string, unknown>[]
    expect(hello).toMatchObject({ t: 'hello', token: 'token of bob' })
    expect(hello?.['clientId']).not.toBe((first?.sent[0] as Record<string, unknown>)['clientId'])
    expect(subscribe).toEqual({ t: 'subscribe', topics: [{ topic: 'notes' }] })
  })

  it('takes the last one’s data from the screen at once, and fetches as the new one', async () => {
    const observer = await ada()
    expect(observer.getCurrentResult().data).toEqual([{ id: 1, of: 'ada' }])
    user = 'bob'
    bridge.setIdentity('bob')
    await settled()
    expect(observer.getCurrentResult()).toMatchObject({ data: undefined, status: 'pending' })
    expect(
      client
        .getQueryCache()
        .getAll()
        .map(({ queryKey }) => queryKey),
    ).toEqual([['notes']])
    respond.at(-1)!(2)
    await settled()
    expect(observer.getCurrentResult().data).toEqual([{ id: 2, of: 'bob' }])
    expect(fetches).toEqual(['ada', 'bob'])
  })

  it('lets no response of the last one in', async () => {
    bridge.start()
    const observer = show()
    await connect()
    user = 'bob'
    bridge.setIdentity('bob')
    respond[0]!(1)
    await settled()
    expect(observer.getCurrentResult().data).toBeUndefined()
    respond[1]!(2)
    await settled()
    expect(observer.getCurrentResult().data).toEqual([{ id: 2, of: 'bob' }])
  })

  it('applies no event of the last one, and calls no handler with one', async () => {
    await ada()
    const heard = vi.fn()
    bridge.on('note.saved', heard)
    // The first is applied at once; the others wait for the frame.
    fake.connection.deliver({ t: 'events', topic: 'notes', epoch: 'e', events: [saved(6)] })
    fake.connection.deliver({ t: 'events', topic: 'notes', epoch: 'e', events: [saved(7)] })
    expect(heard).toHaveBeenCalledTimes(1)
    bridge.setIdentity(null)
    await vi.advanceTimersByTimeAsync(100)
    expect(heard).toHaveBeenCalledTimes(1)
    expect(client.getQueryData(['notes'])).toBeUndefined()
  })

  it('may be told from a handler of an event, in the midst of a frame', async () => {
    await ada()
    const heard: number[] = []
    bridge.on('note.saved', ({ id }) => {
      heard.push(id)
      bridge.setIdentity('bob')
    })
    fake.connection.deliver({ t: 'events', topic: 'notes', epoch: 'e', events: [saved(6), saved(7)] })
    await settled()
    expect(heard).toEqual([6])
    expect(client.getQueryData(['notes'])).toBeUndefined()
    await connect()
    expect(fake.connection.sent[1]).toEqual({ t: 'subscribe', topics: [{ topic: 'notes' }] })
  })

  it('sends no paused mutation of the last one under another name', async () => {
    await ada()
    onlineManager.setOnline(false)
    const mutationFn = vi.fn(() => Promise.resolve('sent'))
    const observer = new MutationObserver(client, { mutationFn })
    observer.mutate().catch(() => undefined)
    await settled()
    bridge.setIdentity('bob')
    onlineManager.setOnline(true)
    await client.resumePausedMutations()
    expect(client.getMutationCache().getAll()).toEqual([])
    expect(mutationFn).not.toHaveBeenCalled()
  })

  it('ends what waits to be sent', async () => {
    await ada()
    fake.connection.end()
    const ack = bridge.send('note.share', { id: 1 })
    bridge.setIdentity('bob')
    expect(await ack).toEqual({ fate: 'stopped' })
    vi.advanceTimersByTime(5_000)
    await connect()
    expect(fake.connection.sent).toHaveLength(2)
  })

  it('connects again where the server had ended the session of the last one', async () => {
    await ada()
    fake.connection.end({ code: 4401 })
    expect(bridge.status).toMatchObject({ status: 'closed', reason: 'unauthorized' })
    user = 'bob'
    bridge.setIdentity('bob')
    await connect()
    expect(bridge.status.status).toBe('live')
  })

  it('changes nothing when it is the same', async () => {
    await ada()
    bridge.setIdentity('ada')
    expect(fake.connections).toHaveLength(1)
    expect(client.getQueryData(['hidden'])).toBe('of ada')
  })

  it('empties the cache of a bridge that is stopped, and connects nothing', async () => {
    await ada()
    bridge.stop()
    bridge.setIdentity(null)
    expect(fake.connections).toHaveLength(1)
    expect(client.getQueryData(['hidden'])).toBeUndefined()
    user = 'bob'
    bridge.start()
    await connect()
    expect(fake.connection.sent[1]).toEqual({ t: 'subscribe', topics: [{ topic: 'notes' }] })
  })
})
