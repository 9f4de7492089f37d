import { useQuery } from '@tanstack/react-query'
import { act, render, screen } from '@testing-library/react'
import { StrictMode, useEffect } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RealtimeQueryProvider, useRealtimeBridge } from '../../src/react/index.ts'
import { createCountedBridge, settle, type Task } from '../support/counted-bridge.ts'

describe('RealtimeQueryProvider', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('gives the tree its QueryClient and its bridge', async () => {
    const { bridge } = createCountedBridge()
    function Tasks() {
      const { data } = useQuery<Task[]>({ queryKey: ['tasks'], queryFn: () => [{ id: '1', title: 'write' }] })
      return <p>{`${data?.[0]?.title} ${String(useRealtimeBridge() === (bridge as unknown))}`}</p>
    }
    render(
      <RealtimeQueryProvider bridge={bridge}>
        <Tasks />
      </RealtimeQueryProvider>,
    )
    await settle()
    expect(screen.getByText('write true')).toBeDefined()
  })

  it('makes one connection in StrictMode', async () => {
    const { bridge, connections } = createCountedBridge()
    render(
      <StrictMode>
        <RealtimeQueryProvider bridge={bridge} />
      </StrictMode>,
    )
    await settle()
    expect(connections).toEqual({ open: 1, opened: 1 })
  })

  it('leaves no connection and no timer after it unmounts', async () => {
    const { bridge, connections, queryClient } = createCountedBridge()
    const { unmount } = render(<RealtimeQueryProvider bridge={bridge} />)
    await settle()
    unmount()
    await settle()
    queryClient.clear()
    expect(connections.open).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
    expect(queryClient.getQueryCache().hasListeners()).toBe(false)
  })

  it('connects again when it is mounted again', async () => {
    const { bridge, connections } = createCountedBridge()
    const first = render(<RealtimeQueryProvider bridge={bridge} />)
    await settle()
    first.unmount()
    await settle()
    render(<RealtimeQueryProvider bridge={bridge} />)
    await settle()
    expect(connections).toEqual({ open: 1, opened: 2 })
  })

  it('keeps the connection while another provider uses the bridge', async () => {
    const { bridge, connections } = createCountedBridge()
    const first = render(<RealtimeQueryProvider bridge={bridge} />)
    render(<RealtimeQueryProvider bridge={bridge} />)
    await settle()
    first.unmount()
    await settle()
    expect(connections).toEqual({ open: 1, opened: 1 })
  })

  it('leaves one connection when hot reload brings a new bridge', async () => {
    const before = createCountedBridge()
    const after = createCountedBridge()
    const { rerender } = render(<RealtimeQueryProvider bridge={before.bridge} />)
    await settle()
    rerender(<RealtimeQueryProvider bridge={after.bridge} />)
    await settle()
    expect([before.connections.open, after.connections.open]).toEqual([0, 1])
  })

  it('never renders a response without the events that arrived while it was on its way', async () => {
    const { bridge, source } = createCountedBridge()
    let title = 'old'
    const shown: string[] = []
    function Tasks() {
      const { data, refetch } = useQuery<Task[]>({
        queryKey: ['tasks'],
        queryFn: async () => {
          const read = [{ id: '1', title }]
          await new Promise((resolve) => setTimeout(resolve, 60))
          return read
        },
      })
      const text = data?.[0]?.title ?? '…'
      useEffect(() => {
        shown.push(text)
      }, [text])
      return <button onClick={() => void refetch()}>refetch</button>
    }
    render(
      <RealtimeQueryProvider bridge={bridge}>
        <Tasks />
      </RealtimeQueryProvider>,
    )
    await settle(10_000)
    act(() => {
      screen.getByText('refetch').click()
    })
    await settle(30)
    title = 'new'
    source.push({ type: 'task.saved', data: { id: '1', title } })
    await settle(10_000)
    expect(shown).toEqual(['…', 'old', 'new'])
  })
})
