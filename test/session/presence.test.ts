import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Rig, settled } from './rig.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const member = (id: string, state: unknown = {}) => ({ id, user: id, state })
const ids = (rig: Rig, topic = 't') => rig.presence.of(topic).members.map(({ id }) => id)

/** What was sent that is about presence. */
const said = (rig: Rig) =>
  rig.server.sent.filter((message) => (message as { t: string }).t.startsWith('presence-'))

async function again(rig: Rig) {
  rig.server.end()
  vi.advanceTimersByTime(5_000)
  rig.server.open()
  await settled()
  rig.server.deliver({ t: 'welcome', connectionId: '2' })
}

describe('presence', () => {
  it('joins with a state, follows who comes and goes, and leaves', async () => {
    const rig = await new Rig().live()
    const hold = rig.presence.join('t', { name: 'Ada' })
    expect(rig.presence.of('t').isCurrent).toBe(false)
    rig.server.deliver({
      t: 'presence-state',
      topic: 't',
      members: [member('bob'), member('me')],
      self: 'me',
    })
    expect(rig.presence.of('t')).toMatchObject({ self: 'me', isCurrent: true })
    rig.server.deliver({ t: 'presence-diff', topic: 't', set: [member('cy')], left: ['bob'] })
    expect(ids(rig)).toEqual(['me', 'cy'])
    hold.update({ name: 'Ada', isAway: true })
    hold.leave()
    hold.leave()
    hold.update({ name: 'a ghost' })
    expect(said(rig)).toEqual([
      { t: 'presence-join', topic: 't', state: { name: 'Ada' } },
      { t: 'presence-update', topic: 't', state: { name: 'Ada', isAway: true } },
      { t: 'presence-leave', topic: 't' },
    ])
    rig.server.deliver({ t: 'presence-diff', topic: 't', set: [member('late')], left: [] })
    expect(ids(rig)).toEqual([])
  })

  it('is joined once for all who hold it: the last who has said something speaks', async () => {
    const rig = await new Rig().live()
    const watcher = rig.presence.join('t')
    const first = rig.presence.join('t', 1)
    const second = rig.presence.join('t', 2)
    second.leave()
    watcher.update(3)
    watcher.leave()
    first.leave()
    expect(said(rig)).toEqual([
      { t: 'presence-join', topic: 't' },
      { t: 'presence-update', topic: 't', state: 1 },
      { t: 'presence-update', topic: 't', state: 2 },
      { t: 'presence-update', topic: 't', state: 1 },
      { t: 'presence-update', topic: 't', state: 3 },
      { t: 'presence-update', topic: 't', state: 1 },
      { t: 'presence-leave', topic: 't' },
    ])
  })

  it('joins again on the next connection, and shows until then who was there, as not current', async () => {
    const rig = await new Rig().live()
    rig.presence.join('t', 1)
    rig.server.deliver({ t: 'presence-state', topic: 't', members: [member('bob')] })
    await again(rig)
    expect(rig.presence.of('t')).toMatchObject({ members: [{ id: 'bob' }], isCurrent: false })
    expect(said(rig)).toEqual([{ t: 'presence-join', topic: 't', state: 1 }])
    rig.server.deliver({ t: 'presence-state', topic: 't', members: [member('cy')] })
    expect([ids(rig), rig.presence.of('t').isCurrent]).toEqual([['cy'], true])
  })

  it('tells its listeners, and those of other topics nothing', async () => {
    const rig = await new Rig().live()
    const heard = [vi.fn(), vi.fn()]
    rig.presence.subscribe('t', heard[0]!)
    const unsubscribe = rig.presence.subscribe('u', heard[1]!)
    rig.presence.join('t')
    const view = rig.presence.of('t')
    expect(rig.presence.of('t')).toBe(view)
    rig.server.deliver({ t: 'presence-state', topic: 't', members: [] })
    expect(heard.map(({ mock }) => mock.calls.length)).toEqual([1, 0])
    unsubscribe()
  })

  it('that is refused is reported, and asked for again by the next start alone', async () => {
    const rig = await new Rig().live()
    rig.presence.join('t', 1)
    rig.server.deliver({
      t: 'refused',
      topic: 't',
      code: 'forbidden',
      message: 'No.',
      action: 'presence',
    })
    expect(rig.codes).toEqual(['topic-refused'])
    expect(rig.session.topicState('t'), 'the topic itself is well').toBe('live')
    await again(rig)
    expect(said(rig)).toEqual([])
    rig.session.stop()
    rig.session.start()
    await rig.welcome()
    expect(said(rig)).toHaveLength(1)
  })

  it.each(['limit', 'unavailable'] as const)(
    'that is refused for now (%s) is asked for again, later and later, as long as it is wanted',
    async (code) => {
      const rig = await new Rig({ heartbeat: false }).live()
      const hold = rig.presence.join('t', 1)
      const refuse = () => {
        rig.server.deliver({ t: 'refused', topic: 't', code, message: 'Not now.', action: 'presence' })
      }
      const waits = [2_000, 4_000, 8_000, 16_000, 20_000]
      for (const [count, waitMs] of waits.entries()) {
        refuse()
        vi.advanceTimersByTime(waitMs - 1)
        expect(said(rig)).toHaveLength(count + 1)
        vi.advanceTimersByTime(1)
        expect(said(rig)).toHaveLength(count + 2)
      }
      rig.server.deliver({ t: 'presence-state', topic: 't', members: [member('bob')] })
      expect(ids(rig)).toEqual(['bob'])
      refuse()
      vi.advanceTimersByTime(2_000)
      expect(said(rig), 'it begins anew').toHaveLength(waits.length + 2)
      refuse()
      hold.leave()
      rig.clean()
      vi.advanceTimersByTime(20_000)
      expect(said(rig)).toEqual([])
    },
  )

  it('that is refused leaves no timer when the session stops (L9)', async () => {
    const rig = await new Rig().live()
    rig.presence.join('t', 1)
    rig.server.deliver({
      t: 'refused',
      topic: 't',
      code: 'unavailable',
      message: 'Not now.',
      action: 'presence',
    })
    rig.session.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('takes no state that is larger than servers take: it would end each connection', async () => {
    const rig = await new Rig().live()
    const state = 'x'.repeat(60_000)
    expect(() => rig.presence.join('t', state)).toThrow(/60000 bytes/)
    const hold = rig.presence.join('t', 1)
    expect(() => hold.update(state)).toThrow(/60000 bytes/)
    expect(said(rig)).toHaveLength(1)
  })

  it('and signals of a topic without a name are reported, and do not go out', async () => {
    const rig = await new Rig().live()
    rig.presence.join('', 1)
    rig.talk.send('', 'cursor', 1)
    expect(rig.server.sent).toEqual([])
    expect(rig.codes).toEqual(['usage', 'usage'])
  })

  it('that is revoked shows nobody', async () => {
    const rig = await new Rig().live()
    rig.presence.join('t', 1)
    rig.server.deliver({ t: 'presence-state', topic: 't', members: [member('bob')] })
    rig.server.deliver({ t: 'revoked', topic: 't', message: 'No more.', action: 'presence' })
    expect(ids(rig)).toEqual([])
    expect(rig.told, 'no state is fetched for that').toEqual([])
  })

  it('of another user says nothing that the last one has said, and shows nobody (L10)', async () => {
    const rig = await new Rig().live()
    const hold = rig.presence.join('t', { name: 'Ada' })
    rig.server.deliver({ t: 'presence-state', topic: 't', members: [member('bob')] })
    rig.session.switchUser()
    expect(ids(rig)).toEqual([])
    await rig.welcome()
    expect(said(rig)).toEqual([{ t: 'presence-join', topic: 't' }])
    hold.update({ name: 'Cy' })
    expect(said(rig).at(-1)).toEqual({ t: 'presence-update', topic: 't', state: { name: 'Cy' } })
  })

  it('takes what JSON can hold, as it is when it is given', async () => {
    const rig = await new Rig().live()
    const state = { name: 'Ada' }
    const hold = rig.presence.join('t', state)
    state.name = 'changed'
    expect(() => {
      hold.update(1n)
    }).toThrow('JSON')
    await again(rig)
    expect(said(rig)).toEqual([{ t: 'presence-join', topic: 't', state: { name: 'Ada' } }])
  })
})

describe('signals', () => {
  it('go out while there is a connection, and are lost otherwise', async () => {
    const rig = await new Rig().live()
    expect(rig.talk.send('t', 'typing', { on: true })).toBe(true)
    expect(rig.server.sent).toEqual([{ t: 'signal', topic: 't', type: 'typing', data: { on: true } }])
    rig.server.end()
    expect(rig.talk.send('t', 'typing')).toBe(false)
    vi.advanceTimersByTime(5_000)
    await rig.welcome()
    expect(rig.server.sent.some((message) => (message as { t: string }).t === 'signal')).toBe(false)
  })

  it('are heard by those who listen to their topic, and one who throws keeps no other from it', async () => {
    const rig = await new Rig().live()
    const heard = vi.fn()
    rig.talk.listen('t', () => {
      throw new Error('mine')
    })
    const unlisten = rig.talk.listen('t', heard)
    rig.talk.listen('u', heard)
    const signal = { type: 'typing', from: 'bob', user: 'bob', data: 1 }
    rig.server.deliver({ t: 'signals', topic: 't', signals: [signal] })
    unlisten()
    rig.server.deliver({ t: 'signals', topic: 't', signals: [signal] })
    expect(heard.mock.calls).toEqual([[signal]])
    expect(rig.codes).toEqual(['listener-failed', 'listener-failed'])
  })
})
