import { QueryClient } from '@tanstack/react-query'
import { act, render, screen } from '@testing-library/react'
import { StrictMode, type ReactNode } from 'react'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { invalidate } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import type { ServerMessage } from '../../src/core/protocol/messages.ts'
import { presenceOf } from '../../src/features.ts'
import {
  ConnectionIndicator,
  OfflineBanner,
  RealtimeQueryProvider,
  useCursors,
  usePresence,
  useSignal,
  useTyping,
} from '../../src/react/index.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms))

/** A page, and the server's end of its connection. */
class Page {
  readonly transport = createFakeTransport({ heartbeat: false })
  readonly queryClient = new QueryClient()
  readonly bridge = new RealtimeQueryBridge({
    queryClient: this.queryClient,
    events: defineEvents({ changed: on(z.unknown(), () => invalidate([])) }),
    transport: this.transport,
    random: () => 0.5,
    onError: () => {},
  })

  async show(children: ReactNode) {
    const { rerender, unmount } = render(this.tree(children))
    await this.connect()
    return {
      unmount,
      rerender: (next: ReactNode) => {
        rerender(this.tree(next))
      },
    }
  }

  tree(children: ReactNode) {
    return (
      <StrictMode>
        <RealtimeQueryProvider bridge={this.bridge}>{children}</RealtimeQueryProvider>
      </StrictMode>
    )
  }

  async connect() {
    await pass(0)
    act(() => {
      this.transport.connection.open()
    })
    await pass(0)
    this.deliver({ t: 'welcome', connectionId: '1' })
    const [subscribe] = this.sent('subscribe') as { topics: { topic: string }[] }[]
    const position = { epoch: 'e', offset: 0 }
    for (const { topic } of subscribe?.topics ?? []) {
      this.deliver({ t: 'subscribed', topic, outcome: 'fresh', position })
    }
    await pass(0)
  }

  deliver(...messages: ServerMessage[]) {
    act(() => {
      this.transport.connection.deliver(...messages)
    })
  }

  drop() {
    act(() => {
      this.transport.connection.end()
    })
  }

  /** What was sent of one kind, without the kind. */
  sent(t: string) {
    return (this.transport.connection.sent as Record<string, unknown>[])
      .filter((message) => message['t'] === t)
      .map(({ t: _, ...rest }) => rest)
  }
}

const member = (id: string, name: string) => ({ id, user: id, state: { name } })

describe('presence and signals in components', () => {
  let page: Page
  beforeEach(() => {
    vi.useFakeTimers()
    page = new Page()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('usePresence says who is here, and that one is here oneself, once', async () => {
    function Faces({ name }: { name: string }) {
      const { members, others, self, isCurrent } = usePresence('t', { name })
      const names = others.map(({ state }) => state.name).join(' ')
      return <p>{`${members.length}, others: ${names}, self: ${self?.state.name}, ${isCurrent}`}</p>
    }
    const { rerender, unmount } = await page.show(<Faces name="Ada" />)
    expect(page.sent('presence-join')).toEqual([{ topic: 't', state: { name: 'Ada' } }])
    const members = [member('b', 'Bob'), member('a', 'Ada')]
    page.deliver({ t: 'presence-state', topic: 't', members, self: 'a' })
    expect(screen.getByText('2, others: Bob, self: Ada, true')).toBeDefined()
    page.deliver({ t: 'presence-diff', topic: 't', set: [member('c', 'Cy')], left: ['b'] })
    expect(screen.getByText('2, others: Cy, self: Ada, true')).toBeDefined()
    rerender(<Faces name="Ada" />)
    expect(page.sent('presence-update'), 'an equal state is no other state').toEqual([])
    rerender(<Faces name="Ada Lovelace" />)
    expect(page.sent('presence-update')).toEqual([{ topic: 't', state: { name: 'Ada Lovelace' } }])
    unmount()
    await pass(0)
    expect(presenceOf(page.bridge).of('t').members).toEqual([])
  })

  it('usePresence only watches without a state, and does nothing when it is not enabled', async () => {
    function Faces({ enabled }: { enabled: boolean }) {
      usePresence('t', undefined, { enabled })
      return null
    }
    const { rerender } = await page.show(<Faces enabled={false} />)
    expect(page.sent('presence-join')).toEqual([])
    rerender(<Faces enabled />)
    expect(page.sent('presence-join')).toEqual([{ topic: 't' }])
    rerender(<Faces enabled={false} />)
    expect(page.sent('presence-leave')).toEqual([{ topic: 't' }])
  })

  it('usePresence says for another user what the component says then (L10)', async () => {
    function Faces({ name }: { name: string }) {
      usePresence('t', { name })
      return null
    }
    const { rerender } = await page.show(<Faces name="Ada" />)
    act(() => {
      page.bridge.setIdentity('bob')
    })
    rerender(<Faces name="Bob" />)
    await page.connect()
    page.deliver({ t: 'presence-state', topic: 't', members: [] })
    const told = [...page.sent('presence-join'), ...page.sent('presence-update')]
    expect(JSON.stringify(told)).not.toContain('Ada')
    expect(told.at(-1)).toEqual({ topic: 't', state: { name: 'Bob' } })
  })

  it('useSignal subscribes its topic, hears its type, and sends', async () => {
    const heard = vi.fn()
    let wave: (data?: string) => boolean = () => false
    function Waves() {
      wave = useSignal('t', 'wave', { onSignal: heard })
      return null
    }
    await page.show(<Waves />)
    expect(page.sent('subscribe')).toEqual([{ topics: [{ topic: 't' }] }])
    const signal = { type: 'wave', from: 'b', user: 'Bob', data: 'hi' }
    page.deliver({ t: 'signals', topic: 't', signals: [{ ...signal, type: 'other' }, signal] })
    expect(heard.mock.calls).toEqual([[signal]])
    expect(wave('hello')).toBe(true)
    expect(page.sent('signal')).toEqual([{ topic: 't', type: 'wave', data: 'hello' }])
  })

  it('useTyping tells the others now and then, shows who types, and forgets who falls silent', async () => {
    let typing: ReturnType<typeof useTyping> | undefined
    function Typing() {
      typing = useTyping('t')
      return <p>{`typing: ${typing.typists.map(({ user }) => user).join(' ')}`}</p>
    }
    const { unmount } = await page.show(<Typing />)
    const types = (from: string, data: unknown): ServerMessage => ({
      t: 'signals',
      topic: 't',
      signals: [{ type: 'typing', from, user: from, data }],
    })
    page.deliver(types('bob', true), types('cy', true))
    expect(screen.getByText('typing: bob cy')).toBeDefined()
    page.deliver(types('bob', null))
    expect(screen.getByText('typing: cy')).toBeDefined()
    await pass(3_000)
    page.deliver(types('cy', true))
    await pass(3_000)
    expect(screen.getByText('typing: cy')).toBeDefined()
    await pass(1_000)
    expect(screen.getByText('typing:')).toBeDefined()

    for (let n = 0; n < 5; n++) {
      typing?.onType()
      await pass(1_000)
    }
    typing?.onStop()
    typing?.onStop()
    expect(page.sent('signal').map(({ data }) => data)).toEqual([true, true, true, null])
    typing?.onType()
    unmount()
    expect(page.sent('signal').at(-1)).toMatchObject({ data: null })
  })

  it('shows another user nothing that the last one has heard (L10)', async () => {
    function Heard() {
      const { typists } = useTyping('t')
      const { cursors } = useCursors('t')
      return <p>{`heard of ${typists.length + cursors.length}`}</p>
    }
    await page.show(<Heard />)
    const signals = ['typing', 'cursor'].map((type) => ({ type, from: 'cy', data: true }))
    page.deliver({ t: 'signals', topic: 't', signals })
    expect(screen.getByText('heard of 2')).toBeDefined()
    act(() => {
      page.bridge.setIdentity('bob')
    })
    expect(screen.getByText('heard of 0')).toBeDefined()
  })

  it('useCursors tells 20 times a second at most, and always where the pointer came to rest', async () => {
    let cursors: ReturnType<typeof useCursors<number>> | undefined
    function Cursors() {
      cursors = useCursors<number>('t')
      return <p>{`cursors: ${cursors.cursors.map(({ id, place }) => `${id}@${place}`).join(' ')}`}</p>
    }
    const { unmount } = await page.show(<Cursors />)
    for (let ms = 0; ms < 200; ms += 10) {
      cursors?.move(ms)
      await pass(10)
    }
    await pass(100)
    const told = page.sent('signal').map(({ data }) => data)
    expect(told.length).toBeLessThanOrEqual(5)
    expect([told[0], told.at(-1)]).toEqual([0, 190])
    page.deliver({ t: 'signals', topic: 't', signals: [{ type: 'cursor', from: 'bob', data: 7 }] })
    expect(screen.getByText('cursors: bob@7')).toBeDefined()
    await pass(10_000)
    expect(screen.getByText('cursors:')).toBeDefined()
    cursors?.move(1)
    unmount()
    expect(page.sent('signal').at(-1)).toMatchObject({ data: null })
    await pass(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('what people see of the connection', () => {
  let page: Page
  beforeEach(() => {
    vi.useFakeTimers()
    page = new Page()
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const phase = () => screen.getByRole('status').getAttribute('data-phase')

  it('ConnectionIndicator says it in words, and skips drops that are over at once', async () => {
    await page.show(<ConnectionIndicator />)
    expect([phase(), screen.getByRole('status').textContent]).toEqual(['live', 'Live'])
    page.drop()
    await pass(900)
    expect(phase()).toBe('live')
    await pass(100)
    expect([phase(), screen.getByRole('status').textContent]).toEqual(['reconnecting', 'Reconnecting…'])
    await pass(5_000)
    await page.connect()
    expect(phase()).toBe('live')
    act(() => {
      page.transport.connection.end({ code: 4401 })
    })
    await pass(1_000)
    expect(phase()).toBe('signed-out')
  })

  it('ConnectionIndicator takes words of the app', async () => {
    await page.show(<ConnectionIndicator labels={{ live: 'En direct' }} className="dot" />)
    expect(screen.getByText('En direct').className).toBe('dot')
  })

  it('OfflineBanner is empty until the connection is gone for a while, and empty again at once', async () => {
    const banner = <OfflineBanner delayMs={2_000}> Wait.</OfflineBanner>
    render(page.tree(banner))
    expect(screen.getByRole('status').textContent, 'the page has only begun').toBe('')
    await page.connect()
    page.drop()
    await pass(1_900)
    expect(screen.getByRole('status').textContent).toBe('')
    await pass(100)
    expect(screen.getByRole('status').textContent).toBe(
      'The connection is lost. What you see may be out of date. Wait.',
    )
    await pass(5_000)
    await page.connect()
    expect(screen.getByRole('status').textContent).toBe('')
  })

  it('renders on a server', () => {
    const html = renderToString(page.tree(<ConnectionIndicator />))
    expect(html).toContain('Connecting…')
  })
})
