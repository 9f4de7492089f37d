import { createAsyncStoragePersister } from '@tanstack/query-async-storage-persister'
import { onlineManager, QueryClient, useMutation, useQuery } from '@tanstack/react-query'
import { PersistQueryClientProvider } from '@tanstack/react-query-persist-client'
import { act, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { patch } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { dehydrateBase, persistMutations } from '../../src/persist/index.ts'
import { realtimeMutationOptions, RealtimeQueryProvider, usePendingMutations } from '../../src/react/index.ts'
import { createPushSource } from '../support/push-source.ts'

interface Rename {
  readonly id: string
  readonly title: string
}

const KEY = ['tasks', 'rename']
const events = defineEvents({ nothing: on(z.unknown(), () => []) })

describe('an app that is used offline and reloaded', () => {
  const items = new Map<string, string>()
  const storage = {
    getItem: (key: string) => Promise.resolve(items.get(key)),
    setItem: (key: string, value: string) => Promise.resolve(void items.set(key, value)),
    removeItem: (key: string) => Promise.resolve(void items.delete(key)),
  }
  const sent: (Rename & { mutationId: string })[] = []
  const fetched = vi.fn()
  let task: Rename

  beforeEach(() => {
    vi.useFakeTimers()
    items.clear()
    sent.length = 0
    fetched.mockReset()
    task = { id: '1', title: 'old' }
  })
  afterEach(() => {
    onlineManager.setOnline(true)
    vi.useRealTimers()
  })

  /** As docs/offline.md has it. */
  function open() {
    const queryClient = new QueryClient()
    const bridge = new RealtimeQueryBridge({ queryClient, events, transport: createPushSource().transport })
    const renameTask = realtimeMutationOptions(bridge, {
      mutationKey: KEY,
      mutationFn: (variables: Rename, { mutationId }) => {
        sent.push({ ...variables, mutationId })
        task = variables
        return Promise.resolve(variables)
      },
      optimistic: ({ id, title }) => patch(['tasks', 'list'], id, { title }),
      scope: { id: 'tasks' },
    })
    queryClient.setMutationDefaults(KEY, renameTask)
    const offline = persistMutations({
      bridge,
      persister: createAsyncStoragePersister({ storage, key: 'tasks-mutations', throttleTime: 0 }),
      locks: null,
    })
    const persistOptions = {
      persister: createAsyncStoragePersister({ storage, key: 'tasks-queries' }),
      dehydrateOptions: dehydrateBase(bridge),
    }

    function Tasks() {
      const { data } = useQuery({
        queryKey: ['tasks', 'list'],
        queryFn: () => {
          fetched()
          return Promise.resolve([task])
        },
      })
      const rename = useMutation(renameTask)
      const status = usePendingMutations(['tasks'])[0]?.status ?? 'saved'
      return (
        <button
          onClick={() => {
            rename.mutate({ id: '1', title: 'new' })
          }}
        >
          {data?.map(({ title }) => title).join() ?? 'loading'}, {status}
        </button>
      )
    }
    const { unmount } = render(
      <PersistQueryClientProvider client={queryClient} persistOptions={persistOptions}>
        <RealtimeQueryProvider bridge={bridge}>
          <Tasks />
        </RealtimeQueryProvider>
      </PersistQueryClientProvider>,
    )
    return () => {
      offline.stop()
      unmount()
    }
  }
  /** React renders at the end of `act`: what that sets going is waited for in the next. */
  const settle = async (ms = 2_000) => {
    for (let turn = 0; turn < 3; turn++) await act(() => vi.advanceTimersByTimeAsync(ms))
  }
  const shown = () => screen.getByRole('button').textContent

  it('shows what is pending over what was confirmed, before it fetches, and saves it when the network is back', async () => {
    const close = open()
    await settle()
    expect(shown()).toBe('old, saved')
    act(() => {
      onlineManager.setOnline(false)
    })
    act(() => {
      screen.getByRole('button').click()
    })
    await settle()
    expect(shown()).toBe('new, queued')
    close()
    expect(items.get('tasks-queries')).toContain('"old"')
    expect(items.get('tasks-queries')).not.toContain('"new"')
    fetched.mockReset()

    const closeAgain = open()
    await settle()
    expect(fetched).not.toHaveBeenCalled()
    expect(shown()).toBe('new, queued')
    act(() => {
      onlineManager.setOnline(true)
    })
    await settle(10_000)
    expect(sent).toHaveLength(1)
    expect(shown()).toBe('new, saved')
    expect(items.has('tasks-mutations')).toBe(false)
    closeAgain()
  })
})
