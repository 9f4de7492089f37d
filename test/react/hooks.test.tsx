import { act, render, screen } from '@testing-library/react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  RealtimeQueryProvider,
  useRealtimeEvent,
  useRealtimeStatus,
  useTopic,
} from '../../src/react/index.ts'
import { createCountedBridge, settle, type Task } from '../support/counted-bridge.ts'

describe('hooks', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('useRealtimeStatus follows the connection', async () => {
    const { bridge, source } = createCountedBridge()
    function Status() {
      return <p>{useRealtimeStatus().status}</p>
    }
    render(
      <RealtimeQueryProvider bridge={bridge}>
        <Status />
      </RealtimeQueryProvider>,
    )
    await settle()
    expect(screen.getByText('live')).toBeDefined()
    act(() => {
      source.drop()
    })
    await settle()
    expect(screen.getByText('waiting')).toBeDefined()
  })

  it('useRealtimeStatus hydrates what a server has rendered, also when the bridge is live by then', async () => {
    const { bridge } = createCountedBridge()
    function Status() {
      return <p>{useRealtimeStatus({ bridge }).status}</p>
    }
    const container = document.createElement('div')
    container.innerHTML = renderToString(<Status />)
    expect(container.textContent).toBe('idle')
    bridge.start()
    await settle()
    const onRecoverableError = vi.fn()
    const root = hydrateRoot(container, <Status />, { onRecoverableError })
    await settle()
    expect(container.textContent).toBe('live')
    expect(onRecoverableError).not.toHaveBeenCalled()
    act(() => {
      root.unmount()
    })
    bridge.stop()
  })

  it('useRealtimeEvent calls the latest handler, after the cache holds the event', async () => {
    const { bridge, source, queryClient } = createCountedBridge()
    queryClient.setQueryData(['tasks'], [{ id: '1', title: 'old' }])
    const heard: unknown[] = []
    function Toasts({ prefix }: { prefix: string }) {
      useRealtimeEvent(
        'task.saved',
        (task) => heard.push([prefix, task.title, queryClient.getQueryData<Task[]>(['tasks'])?.[0]?.title]),
        { bridge },
      )
      return null
    }
    const tree = (prefix: string) => (
      <RealtimeQueryProvider bridge={bridge}>
        <Toasts prefix={prefix} />
      </RealtimeQueryProvider>
    )
    const { rerender, unmount } = render(tree('first'))
    await settle()
    rerender(tree('second'))
    source.push({ type: 'task.saved', data: { id: '1', title: 'new' } })
    await settle()
    expect(heard).toEqual([['second', 'new', 'new']])
    unmount()
    source.push({ type: 'task.saved', data: { id: '1', title: 'newer' } })
    await settle()
    expect(heard).toHaveLength(1)
  })

  it('useRealtimeEvent refuses a type that is not in the table', () => {
    const { bridge } = createCountedBridge()
    function Wrong() {
      useRealtimeEvent('task.svaed' as 'task.saved', () => undefined, { bridge })
      return null
    }
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const mount = () =>
      render(
        <RealtimeQueryProvider bridge={bridge}>
          <Wrong />
        </RealtimeQueryProvider>,
      )
    expect(mount).toThrow(/No event "task.svaed" in the table. It has: task.saved/)
  })

  it('a hook outside of a provider tells the remedy', () => {
    function Lost() {
      return <p>{useRealtimeStatus().status}</p>
    }
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    expect(() => render(<Lost />)).toThrow(/Wrap the tree in <RealtimeQueryProvider/)
  })

  it('useTopic holds a topic while it is mounted and enabled', () => {
    const { bridge } = createCountedBridge()
    const release = vi.fn()
    const hold = vi.spyOn(bridge, 'holdTopic').mockReturnValue(release)
    function Panel({ enabled }: { enabled: boolean }) {
      useTopic('board:1', { enabled })
      return null
    }
    const tree = (enabled: boolean) => (
      <RealtimeQueryProvider bridge={bridge}>
        <Panel enabled={enabled} />
      </RealtimeQueryProvider>
    )
    const { rerender } = render(tree(false))
    expect(hold).not.toHaveBeenCalled()
    rerender(tree(true))
    expect(hold).toHaveBeenCalledExactlyOnceWith('board:1')
    rerender(tree(false))
    expect(release).toHaveBeenCalledOnce()
  })
})
