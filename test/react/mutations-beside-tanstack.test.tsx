/** What an app has of TanStack Query and of React already, beside mutations of ours. */
import {
  useIsMutating,
  useMutationState,
  useQuery,
  useSuspenseInfiniteQuery,
  useSuspenseQuery,
} from '@tanstack/react-query'
import { act, fireEvent, render, screen } from '@testing-library/react'
import {
  Component,
  startTransition,
  StrictMode,
  Suspense,
  useDeferredValue,
  useState,
  type ReactNode,
} from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { patch, upsert } from '../../src/core/routing/effects.ts'
import {
  RealtimeQueryProvider,
  useRealtimeMutation,
  useStableKey,
  useSyncState,
} from '../../src/react/index.ts'
import {
  answer,
  createApp,
  pass,
  refusal,
  ROWS,
  type Answer,
  type App,
  type Row,
} from '../mutations/support.ts'

const row = (id: Row['id'], title: string): Row => ({ id, title })
const titles = (rows: readonly Row[]) => rows.map(({ title }) => title).join()

describe('mutations beside what TanStack and React offer', () => {
  let app: App
  let response: Answer<Row>

  beforeEach(() => {
    vi.useFakeTimers()
    app = createApp()
    response = answer()
  })
  afterEach(() => {
    app.end()
    vi.useRealTimers()
  })

  const settle = (ms = 0) => act(() => pass(ms))
  const mount = async (tree: ReactNode) => {
    render(
      <StrictMode>
        <RealtimeQueryProvider bridge={app.bridge}>{tree}</RealtimeQueryProvider>
      </StrictMode>,
    )
    await settle()
  }
  const press = async (name: string) => {
    act(() => {
      screen.getByRole('button', { name }).click()
    })
    await settle()
  }
  function Button({ name, run }: { name: string; run: () => void }) {
    return <button onClick={run}>{name}</button>
  }
  function Rename() {
    const { mutate } = useRealtimeMutation({
      mutationFn: () => response.promise,
      optimistic: ({ id, title }: Row) => patch(['rows'], id, { title }),
      settle: 'echo',
    })
    return (
      <Button
        name="rename"
        run={() => {
          mutate(row(1, 'new'))
        }}
      />
    )
  }

  it('call every callback, of the hook and of the call, with what onMutate has given', async () => {
    const calls: unknown[] = []
    function Save() {
      const { mutate } = useRealtimeMutation({
        mutationFn: (_: string) => response.promise,
        onMutate: (title) => ({ seen: title }),
        onSuccess: (...args) => void calls.push(['hook success', ...args.slice(0, 3)]),
        onError: (...args) => void calls.push(['hook error', ...args.slice(0, 3)]),
        onSettled: (...args) => void calls.push(['hook settled', ...args.slice(0, 4)]),
      })
      const run = () => {
        mutate('new', {
          onSuccess: (...args) => void calls.push(['call success', ...args.slice(0, 3)]),
          onError: (...args) => void calls.push(['call error', ...args.slice(0, 3)]),
          onSettled: (...args) => void calls.push(['call settled', ...args.slice(0, 4)]),
        })
      }
      return <Button name="save" run={run} />
    }
    await mount(<Save />)
    await press('save')
    const error = refusal()
    response.reject(error)
    await settle()
    const first = { seen: 'new', mutationId: 'm1' }
    expect(calls).toEqual([
      ['hook error', error, 'new', first],
      ['hook settled', undefined, error, 'new', first],
      ['call error', error, 'new', first],
      ['call settled', undefined, error, 'new', first],
    ])
    calls.length = 0
    response = answer()
    await press('save')
    response.resolve(row(7, 'new'))
    await settle()
    const second = { seen: 'new', mutationId: 'm2' }
    expect(calls).toEqual([
      ['hook success', row(7, 'new'), 'new', second],
      ['hook settled', row(7, 'new'), null, 'new', second],
      ['call success', row(7, 'new'), 'new', second],
      ['call settled', row(7, 'new'), null, 'new', second],
    ])
  })

  it('are counted by useIsMutating, and told by useMutationState with their ids', async () => {
    function State() {
      const count = useIsMutating({ mutationKey: ['save'] })
      const states = useMutationState({
        filters: { mutationKey: ['save'] },
        select: ({ state }) => {
          const { mutationId } = (state.context ?? {}) as { mutationId?: string }
          return `${mutationId} ${String(state.variables)} ${state.status}`
        },
      })
      return (
        <p>
          {count}: {states.join()}
        </p>
      )
    }
    function Save() {
      const { mutate } = useRealtimeMutation({
        mutationKey: ['save'],
        mutationFn: (_: string) => response.promise,
      })
      return (
        <Button
          name="save"
          run={() => {
            mutate('new')
          }}
        />
      )
    }
    await mount(
      <>
        <State />
        <Save />
      </>,
    )
    await press('save')
    expect(screen.getByText('1: m1 new pending')).toBeDefined()
    response.resolve(row(7, 'new'))
    await settle()
    expect(screen.getByText('0: m1 new success')).toBeDefined()
  })

  it('show in an infinite query that suspends, from its first render on', async () => {
    const gate = answer<Row[]>()
    const shown = new Set<string>()
    function Feed() {
      const { data, fetchNextPage } = useSuspenseInfiniteQuery({
        queryKey: ROWS,
        queryFn: ({ pageParam }) => (pageParam === 1 ? gate.promise : Promise.resolve([row(2, 'two')])),
        initialPageParam: 1,
        getNextPageParam: (_, pages) => (pages.length < 2 ? 2 : undefined),
      })
      shown.add(titles(data.pages.flat()))
      return <Button name="more" run={() => void fetchNextPage()} />
    }
    await mount(
      <>
        <Suspense fallback="loading">
          <Feed />
        </Suspense>
        <Rename />
      </>,
    )
    await press('rename')
    gate.resolve([row(1, 'old')])
    await settle()
    await press('more')
    expect([...shown]).toEqual(['new', 'new,two'])
  })

  it('show in what a transition brings, and in a deferred value', async () => {
    const shown: string[] = []
    function Rows({ filter }: { filter: string }) {
      const { data } = useSuspenseQuery({
        queryKey: [...ROWS, filter],
        queryFn: () => Promise.resolve([row(1, 'old'), row(2, 'two')]),
      })
      const text = `${filter}: ${titles(useDeferredValue(data))}`
      if (shown.at(-1) !== text) shown.push(text)
      return null
    }
    function Filtered() {
      const [filter, setFilter] = useState('all')
      const choose = () => {
        startTransition(() => {
          setFilter('mine')
        })
      }
      return (
        <>
          <Button name="choose" run={choose} />
          <Suspense fallback="loading">
            <Rows filter={filter} />
          </Suspense>
        </>
      )
    }
    await mount(
      <>
        <Filtered />
        <Rename />
      </>,
    )
    await press('rename')
    await press('choose')
    await settle()
    response.reject(refusal())
    await settle()
    expect(shown).toEqual(['all: old,two', 'all: new,two', 'mine: new,two', 'mine: old,two'])
  })

  it('reach an error boundary with throwOnError', async () => {
    class Boundary extends Component<{ children: ReactNode }, { error?: Error }> {
      override state: { error?: Error } = {}
      static getDerivedStateFromError(error: Error) {
        return { error }
      }
      override render() {
        return this.state.error ? <p>caught: {this.state.error.message}</p> : this.props.children
      }
    }
    vi.spyOn(console, 'error').mockImplementation(() => undefined) // React tells of it too.
    function Save() {
      const { mutate } = useRealtimeMutation({ mutationFn: () => response.promise, throwOnError: true })
      return (
        <Button
          name="save"
          run={() => {
            mutate()
          }}
        />
      )
    }
    await mount(
      <Boundary>
        <Save />
      </Boundary>,
    )
    await press('save')
    response.reject(refusal())
    await settle()
    expect(screen.getByText('caught: refused')).toBeDefined()
  })

  it('leave a field of a new row its focus, its caret and what was typed, when the row gets its real id', async () => {
    const states = new Set<string>()
    function Item({ item }: { item: Row }) {
      const [text, setText] = useState(item.title)
      states.add(`${item.id} ${useSyncState(['rows'], { id: item.id }).status}`)
      return (
        <input
          value={text}
          onChange={(event) => {
            setText(event.target.value)
          }}
        />
      )
    }
    function Rows() {
      const { data } = useQuery({ queryKey: ROWS, queryFn: () => Promise.resolve([] as Row[]) })
      const keyOf = useStableKey()
      return (data ?? []).map((item) => <Item key={keyOf(item.id)} item={item} />)
    }
    function Create() {
      const { mutate } = useRealtimeMutation({
        mutationFn: (_: string) => response.promise,
        optimistic: (title, { mutationId }) => upsert(['rows', 'list'], row(mutationId, title)),
        confirm: (saved) => upsert(['rows', 'list'], saved),
        settle: 'echo',
      })
      return (
        <Button
          name="create"
          run={() => {
            mutate('new')
          }}
        />
      )
    }
    await mount(
      <>
        <Rows />
        <Create />
      </>,
    )
    await press('create')
    const field = screen.getByRole<HTMLInputElement>('textbox')
    field.focus()
    fireEvent.change(field, { target: { value: 'new, and more' } })
    field.setSelectionRange(3, 3)
    response.resolve(row(77, 'new'))
    await settle()
    await act(async () => {
      app.source.push({ type: 'row.saved', data: row(77, 'new'), mutationId: 'm1' })
      await pass(50)
    })
    expect(screen.getAllByRole('textbox')).toEqual([field])
    expect(document.activeElement).toBe(field)
    expect([field.value, field.selectionStart]).toEqual(['new, and more', 3])
    // Also under its real id the row is not confirmed before its echo has come.
    expect([...states]).toEqual(['m1 saving', '77 saving', '77 synced'])
  })
})
