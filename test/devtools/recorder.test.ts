import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Entry } from '../../src/devtools/record.ts'
import { recorderOf, type RecorderOptions } from '../../src/devtools/recorder.ts'
import { createRig, TOPIC, type Rig } from './support.ts'

const LIST = ['tasks', 'list'] as const

let rig: Rig

beforeEach(() => {
  vi.useFakeTimers()
  rig = createRig()
})
afterEach(() => {
  rig.end()
  vi.useRealTimers()
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** Records the rig from before its start. */
async function record(options?: RecorderOptions) {
  const recorder = recorderOf(rig.bridge, options)
  rig.start()
  await pass(0)
  return recorder
}

/** Those of one kind, oldest first. */
const of = <TKind extends Entry['kind']>(entries: readonly Entry[], kind: TKind) =>
  entries.filter((entry) => entry.kind === kind).reverse() as Extract<Entry, { kind: TKind }>[]

describe('an event', () => {
  it('is recorded with what its effects have done to which queries', async () => {
    const recorder = await record()
    rig.observe(LIST, [{ id: 1, title: 'old' }])
    rig.observe(['stats'], { open: 1 })
    rig.push({ type: 'task.saved', data: { id: 1, title: 'new' } })

    expect(of(recorder.entries, 'event')).toMatchObject([
      {
        type: 'task.saved',
        topic: TOPIC,
        position: { epoch: 'e', offset: 1 },
        data: { id: 1, title: 'new' },
        isReplay: false,
        isOwn: false,
        together: 1,
        effects: [
          {
            description: 'upsert 1 in ["tasks","list"]',
            queries: [{ queryKey: LIST, outcome: 'changed' }],
          },
          { kind: 'invalidate', queries: [{ queryKey: ['stats'], outcome: 'fetched' }] },
        ],
      },
    ])
  })

  it('says what it has not done: changed nothing, found no query, or no data', async () => {
    const recorder = await record()
    rig.observe(LIST, [{ id: 1, title: 'same' }])
    rig.observe(['tasks', 'detail', 2], undefined)
    rig.queryClient.setQueryData(['tasks', 'detail', 3], { id: 3, title: 'x' })
    rig.queryClient.setQueryData(['stats'], 1)
    rig.push(
      { type: 'task.saved', data: { id: 1, title: 'same' } },
      { type: 'task.renamed', data: { id: 9, title: 'x' } },
      { type: 'task.renamed', data: { id: 2, title: 'x' } },
      { type: 'task.deleted', data: { id: 3 } },
      { type: 'nothing', data: 0 },
    )
    const outcomes = of(recorder.entries, 'event').map(({ effects }) =>
      effects.map(({ queries }) => queries.map(({ outcome }) => outcome)),
    )
    expect(outcomes).toEqual([[['unchanged'], ['stale']], [[]], [['no-data']], [['dropped']], []])
  })

  it('waits for its frame when it comes in a burst, and says with how many others it was written', async () => {
    const recorder = await record()
    rig.observe(LIST, [])
    const saved = (id: number) => ({ type: 'task.saved', data: { id, title: `${id}` } })
    rig.push(saved(1))
    rig.push(saved(2))
    rig.push(saved(3))
    const together = () => of(recorder.entries, 'event').map((entry) => entry.together)
    expect(together()).toEqual([1, undefined, undefined])
    await pass(100)
    expect(together()).toEqual([1, 2, 2])
    expect(of(recorder.entries, 'event')[2]?.effects[0]?.queries[0]?.outcome).toBe('changed')
  })

  it('that the table refuses is recorded once, with the reason (L8)', async () => {
    const recorder = await record()
    rig.push({ type: 'task.saved', data: { id: 'x' } }, { type: 'task.moved', data: 1 })
    expect(of(recorder.entries, 'refused')).toMatchObject([
      {
        type: 'task.saved',
        code: 'invalid-data',
        message: expect.stringContaining('at id'),
        data: { id: 'x' },
      },
      { type: 'task.moved', code: 'unknown-event', message: expect.stringContaining('is not in the table') },
    ])
    expect(of(recorder.entries, 'error')).toEqual([])
    expect(rig.errors.map(({ code }) => code)).toEqual(['invalid-data', 'unknown-event'])
  })
})

describe('a topic', () => {
  it('is followed from wanted to live, through a gap and a replay, and is counted', async () => {
    const recorder = await record()
    rig.push({ type: 'nothing', data: 1, skip: 1 })
    await pass(0)
    rig.transport.connection.deliver({
      t: 'subscribed',
      topic: TOPIC,
      outcome: 'replayed',
      position: { epoch: 'e', offset: 2 },
      events: [{ type: 'nothing', data: 0, offset: 1 }],
    })
    await pass(0)
    expect(of(recorder.entries, 'topic').map(({ what }) => what)).toEqual([
      'wanted',
      'fresh',
      'gap',
      'replayed',
    ])
    expect(of(recorder.entries, 'event').map(({ isReplay }) => isReplay)).toEqual([true, true])
    expect(recorder.topicCounts(TOPIC)).toEqual({ events: 2, gaps: 1, replays: 1, resets: 0 })
  })

  it('that the server refuses is so in its own words', async () => {
    const recorder = await record()
    const letGo = rig.bridge.holdTopic('secret')
    await pass(0)
    rig.transport.connection.deliver({
      t: 'refused',
      topic: 'secret',
      code: 'forbidden',
      message: 'Not yours.',
    })
    await pass(0)
    letGo()
    expect(of(recorder.entries, 'topic')).toContainEqual(
      expect.objectContaining({ topic: 'secret', what: 'refused' }),
    )
    expect(of(recorder.entries, 'error')).toMatchObject([
      { code: 'topic-refused', message: expect.stringContaining('Not yours.') },
    ])
  })

  it('is reset when history is lost, and misses nothing while there is no connection', async () => {
    const recorder = await record()
    rig.transport.connection.end()
    while (rig.transport.connections.length < 2) await vi.advanceTimersToNextTimerAsync()
    rig.transport.connection.open()
    rig.transport.connection.deliver(
      { t: 'welcome', connectionId: '2' },
      { t: 'subscribed', topic: TOPIC, outcome: 'reset', position: { epoch: 'f', offset: 9 } },
    )
    await pass(0)
    expect(recorder.topicCounts(TOPIC)).toMatchObject({ gaps: 0, resets: 1 })
    const statuses = of(recorder.entries, 'status').map(({ status }) => status.status)
    expect(statuses).toEqual([
      'idle',
      'connecting',
      'handshaking',
      'resyncing',
      'live',
      'waiting',
      'connecting',
      'handshaking',
      'resyncing',
      'live',
    ])
  })
})

describe('a mutation', () => {
  it('is followed to its echo', async () => {
    rig.end()
    rig = createRig({ createId: () => 'm1' })
    const recorder = await record()
    rig.observe(LIST, [{ id: 1, title: 'old' }])
    const done = rig.rename({ id: 1, title: 'new' }, () => Promise.resolve())
    await done
    rig.push({ type: 'task.saved', data: { id: 1, title: 'new' }, mutationId: 'm1' })
    await pass(100)
    expect(of(recorder.entries, 'mutation').map(({ what }) => what)).toEqual([
      'saving',
      'confirming',
      'settled',
    ])
    expect(of(recorder.entries, 'mutation')[0]).toMatchObject({
      mutationId: 'm1',
      variables: { id: 1, title: 'new' },
    })
    expect(of(recorder.entries, 'event')[0]?.isOwn).toBe(true)
  })

  it('that is refused says why, and is gone when it is discarded', async () => {
    const recorder = await record()
    rig.observe(LIST, [{ id: 1, title: 'old' }])
    await rig.rename({ id: 1, title: 'new' }, () => Promise.reject(new Error('no right')))
    expect(of(recorder.entries, 'mutation').at(-1)).toMatchObject({
      what: 'failed',
      error: expect.stringContaining('no right'),
    })
    rig.bridge.pendingMutations()[0]?.discard()
    expect(of(recorder.entries, 'mutation').at(-1)?.what).toBe('gone')
  })
})

it('records sends with their answers, and writes of the app', async () => {
  const recorder = await record()
  const ack = rig.bridge.send('nudge', { id: 1 })
  const { id } = rig.transport.connection.sent.at(-1) as { id: string }
  expect(of(recorder.entries, 'send')).toMatchObject([{ type: 'nudge', data: { id: 1 } }])
  rig.transport.connection.deliver({ t: 'ack', id, data: 'done' })
  await ack
  expect(of(recorder.entries, 'send')).toMatchObject([{ ack: { fate: 'acked', data: 'done' } }])

  rig.queryClient.setQueryData(['stats'], 1)
  rig.bridge.write({ kind: 'invalidate', filters: { queryKey: ['stats'] }, refetchType: 'active' })
  expect(of(recorder.entries, 'write')).toMatchObject([
    { effects: [{ kind: 'invalidate', queries: [{ queryKey: ['stats'] }] }] },
  ])
})

describe('what is kept', () => {
  it('is bounded: the oldest go, and are counted', async () => {
    const recorder = await record({ capacity: 3 })
    for (let index = 1; index <= 5; index++) rig.push({ type: 'nothing', data: index })
    await pass(100)
    expect(recorder.entries.map((entry) => entry.kind === 'event' && entry.data)).toEqual([5, 4, 3])
    expect(recorder.capacity).toBe(3)
    const all = recorder.dropped + 3
    rig.push({ type: 'nothing', data: 6 })
    expect(recorder.dropped + 3).toBe(all + 1)
    recorder.clear()
    expect([recorder.entries, recorder.dropped]).toEqual([[], 0])
  })

  it('is the same list until something is recorded', async () => {
    const recorder = await record()
    expect(recorder.entries).toBe(recorder.entries)
  })

  it('is nothing of the last user (L10)', async () => {
    const recorder = await record()
    rig.push({ type: 'nothing', data: 'of the last user' })
    rig.bridge.setIdentity('another')
    expect(JSON.stringify(recorder.entries)).not.toContain('of the last user')
    expect(of(recorder.entries, 'user')).toHaveLength(1)
    expect(recorder.topicCounts(TOPIC).events).toBe(0)
  })

  it('has gone through `redact` first, wherever payloads stand', async () => {
    const redact = vi.fn((value: unknown, { kind }: { kind: string }) =>
      kind === 'error' && typeof value === 'object' ? value : '(hidden)',
    )
    const recorder = await record({ redact })
    rig.observe(LIST, [])
    rig.push(
      { type: 'task.saved', data: { id: 1, title: 'secret' } },
      { type: 'task.saved', data: { id: 'secret' } },
    )
    const ack = rig.bridge.send('nudge', 'secret')
    const { id } = rig.transport.connection.sent.at(-1) as { id: string }
    rig.transport.connection.deliver({ t: 'ack', id, data: 'secret' })
    await ack
    await rig.rename({ id: 1, title: 'secret' }, () => Promise.reject(new Error('secret')))
    await pass(100)
    expect(JSON.stringify(recorder.entries)).not.toContain('secret')
    expect(new Set(redact.mock.calls.map(([, { kind }]) => kind))).toEqual(
      new Set(['event', 'send', 'ack', 'mutation', 'error']),
    )
  })

  it('is not what `redact` throws on', async () => {
    const recorder = await record({
      redact: () => {
        throw new Error('mine')
      },
    })
    rig.push({ type: 'nothing', data: 'secret' })
    expect(of(recorder.entries, 'event')[0]?.data).toBe('(redact threw)')
  })

  it('goes when `redact` comes later than the first entries', async () => {
    const recorder = await record()
    rig.push({ type: 'nothing', data: 'secret' })
    recorderOf(rig.bridge, { redact: () => '(hidden)' })
    expect(JSON.stringify(recorder.entries)).not.toContain('secret')
  })

  it('never has a token in it', async () => {
    rig.end()
    rig = createRig({}, { token: () => 'the-token' })
    const recorder = recorderOf(rig.bridge)
    rig.bridge.start()
    rig.transport.connection.open()
    await pass(0)
    expect(JSON.stringify(rig.transport.connection.sent)).toContain('the-token')
    expect(JSON.stringify(recorder.entries)).not.toContain('the-token')
  })
})

describe('a recorder', () => {
  it('is one for each bridge, and is another after it was stopped', async () => {
    const recorder = await record()
    expect(recorderOf(rig.bridge)).toBe(recorder)
    recorder.stop()
    rig.push({ type: 'nothing', data: 1 })
    expect(recorder.entries).toEqual([])
    expect(recorderOf(rig.bridge)).not.toBe(recorder)
  })

  it('leaves the bridge as it is when it fails itself', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue()
    const recorder = await record()
    recorder.subscribe(() => {
      throw new Error('of the panel')
    })
    rig.observe(LIST, [])
    rig.push({ type: 'task.saved', data: { id: 1, title: 'new' } })
    expect(rig.queryClient.getQueryData(LIST)).toEqual([{ id: 1, title: 'new' }])
    expect(rig.errors).toEqual([])
    expect(warn).toHaveBeenCalled()
  })
})
