import { useQuery } from '@tanstack/react-query'
import { act, render, screen } from '@testing-library/react'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RealtimeQueryProvider, useIsLive } from '../../src/react/index.ts'
import { createCountedBridge, settle } from '../support/counted-bridge.ts'

const tasks = { queryKey: ['tasks'], queryFn: () => [] }

function Tasks({ topics }: { topics?: string[] }) {
  useQuery({ ...tasks, ...(topics && { meta: { topics } }) })
  return <p>{useIsLive(tasks.queryKey) ? 'live' : 'not live'}</p>
}

describe('useIsLive', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('follows what keeps a query live', async () => {
    const { bridge, source } = createCountedBridge()
    render(
      <RealtimeQueryProvider bridge={bridge}>
        <Tasks />
      </RealtimeQueryProvider>,
    )
    expect(screen.getByText('not live')).toBeDefined()
    await settle()
    expect(screen.getByText('live')).toBeDefined()
    act(() => {
      source.drop()
    })
    await settle()
    expect(screen.getByText('not live')).toBeDefined()
  })

  it('is false for a query that nothing keeps live', async () => {
    const { bridge } = createCountedBridge()
    render(
      <RealtimeQueryProvider bridge={bridge}>
        <Tasks topics={[]} />
      </RealtimeQueryProvider>,
    )
    await settle()
    expect(screen.getByText('not live')).toBeDefined()
  })

  it('is false on the server, and leaves no listener', () => {
    const { bridge } = createCountedBridge()
    const html = renderToString(
      <RealtimeQueryProvider bridge={bridge}>
        <Tasks />
      </RealtimeQueryProvider>,
    )
    expect(html).toContain('not live')
    expect(bridge.status.status).toBe('idle')
  })
})
