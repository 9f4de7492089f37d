/** Parts of a long page that are live while they are looked at: the example of "What happens when…". */
import { QueryClient, useQuery } from '@tanstack/react-query'
import { act, render } from '@testing-library/react'
import { useEffect, useRef, useState } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import type { ClientMessage } from '../../src/core/protocol/messages.ts'
import { invalidate } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { RealtimeQueryProvider, useTopic } from '../../src/react/index.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'

const events = defineEvents({ 'column.changed': on(z.unknown(), () => invalidate(['column'])) })

/** Scrolls elements in and out of view, by their id. */
const scrolled = new Map<string, (isIntersecting: boolean) => void>()

class HandObserver {
  readonly #tell: (entries: { isIntersecting: boolean }[]) => void

  constructor(tell: (entries: { isIntersecting: boolean }[]) => void) {
    this.#tell = tell
  }

  observe({ id }: Element) {
    scrolled.set(id, (isIntersecting) => {
      this.#tell([{ isIntersecting }])
    })
  }

  disconnect() {}
}

/** As `react-intersection-observer` has it. */
function useInView() {
  const ref = useRef<HTMLElement>(null)
  const [inView, setInView] = useState(false)
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => {
      setInView(entry?.isIntersecting === true)
    })
    if (ref.current) observer.observe(ref.current)
    return () => {
      observer.disconnect()
    }
  }, [])
  return { ref, inView }
}

describe('columns that are live while they are in view', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('IntersectionObserver', HandObserver)
  })
  afterEach(() => {
    vi.useRealTimers()
    scrolled.clear()
  })

  it('are subscribed and fetched when they come into view, and let go a while after they have left it', async () => {
    const transport = createFakeTransport()
    const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } })
    const bridge = new RealtimeQueryBridge({ queryClient, events, transport })
    const fetched: string[] = []
    function Column({ id }: { id: string }) {
      const { ref, inView } = useInView()
      useTopic(`column:${id}`, { enabled: inView })
      useQuery({
        queryKey: ['column', id],
        meta: { topics: [`column:${id}`] },
        queryFn: () => fetched.push(id),
        enabled: inView,
      })
      return <section id={id} ref={ref} />
    }
    const { unmount } = render(
      <RealtimeQueryProvider bridge={bridge}>
        {['a', 'b', 'c'].map((id) => (
          <Column key={id} id={id} />
        ))}
      </RealtimeQueryProvider>,
    )
    const scroll = (id: string, isInView: boolean) => {
      act(() => scrolled.get(id)?.(isInView))
    }
    const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms))
    const sent = () =>
      (transport.connection.sent.splice(0) as ClientMessage[]).flatMap((message) =>
        message.t === 'subscribe' || message.t === 'unsubscribe'
          ? [
              `${message.t} ${message.topics.map((one) => (typeof one === 'string' ? one : one.topic)).join()}`,
            ]
          : [],
      )
    transport.connection.open()
    await pass(0)
    transport.connection.deliver({ t: 'welcome', connectionId: 'c' })
    await pass(0)
    expect([sent(), fetched]).toEqual([[], []])

    scroll('a', true)
    scroll('b', true)
    await pass(0)
    expect([sent(), fetched]).toEqual([['subscribe column:a,column:b'], ['a', 'b']])
    const position = { epoch: 'e', offset: 1 }
    for (const id of ['a', 'b'])
      transport.connection.deliver({
        t: 'subscribed',
        topic: `column:${id}`,
        outcome: 'fresh',
        position,
        quietMs: 60_000,
      })

    scroll('a', false)
    await pass(9_000)
    expect(sent()).toEqual([])
    scroll('a', true) // Back in time: nothing is asked.
    scroll('b', false)
    await pass(11_000)
    expect([sent(), fetched]).toEqual([['unsubscribe column:b'], ['a', 'b']])
    unmount()
    queryClient.clear()
  })
})
