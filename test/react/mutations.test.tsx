import {
  useInfiniteQuery,
  useMutation,
  useQuery,
  useSuspenseQuery,
  type InfiniteData,
} from '@tanstack/react-query'
import { act, render, screen } from '@testing-library/react'
import { StrictMode, Suspense, useEffect, useRef, type ReactNode } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { patch, upsert } from '../../src/core/routing/effects.ts'
import {
  realtimeMutationOptions,
  RealtimeQueryProvider,
  usePendingMutations,
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

describe('mutations on screen', () => {
  let app: App
  let response: Answer<Row>
  /** What a component has shown, render by render, without repeats. */
  let shown: string[]

  beforeEach(() => {
    vi.useFakeTimers()
    app = createApp()
    response = answer()
    shown = []
  })
  afterEach(() => {
    app.end()
    vi.useRealTimers()
  })

  const settle = (ms = 0) => act(() => pass(ms))
  const note = (text: string) => {
    if (shown.at(-1) !== text) shown.push(text)
  }
  const echo = (data: Row, mutationId?: string) =>
    act(async () => {
      app.source.push({ type: 'row.saved', data, mutationId })
      await pass(50)
    })
  const titles = (rows: readonly Row[] | undefined) => (rows ?? []).map(({ title }) => title).join()
  const mount = (tree: ReactNode) =>
    render(
      <StrictMode>
        <RealtimeQueryProvider bridge={app.bridge}>{tree}</RealtimeQueryProvider>
      </StrictMode>,
    )
  const useRename = () =>
    useRealtimeMutation({
      mutationFn: () => response.promise,
      optimistic: ({ id, title }: Row) => patch(['rows'], id, { title }),
      settle: 'echo',
    })
  function Rename({ to }: { to: Row }) {
    const rename = useRename()
    return (
      <button
        onClick={() => {
          rename.mutate(to)
        }}
      >
        {rename.status}
      </button>
    )
  }
  const press = () => {
    act(() => {
      screen.getByRole('button').click()
    })
  }

  it('go from the guess to the confirmed data without a render of anything else', async () => {
    const server = [row(1, 'old')]
    function Rows() {
      const { data } = useQuery({ queryKey: ROWS, queryFn: () => Promise.resolve([...server]) })
      note(titles(data))
      return null
    }
    mount(
      <>
        <Rows />
        <Rename to={row(1, 'new')} />
      </>,
    )
    await settle()
    press()
    await settle()
    server.push(row(2, 'of others'))
    await echo(row(2, 'of others'))
    act(() => {
      void app.queryClient.refetchQueries({ queryKey: ROWS })
    })
    await settle()
    response.resolve(row(1, 'new'))
    await settle()
    await echo(row(1, 'new'), 'm1')
    expect(shown).toEqual(['', 'old', 'new', 'new,of others'])
    expect(screen.getByRole('button').textContent).toBe('success')
  })

  it('show through select, and under placeholder data', async () => {
    function Rows({ page }: { page: number }) {
      const { data, isPlaceholderData } = useQuery({
        queryKey: [...ROWS, page],
        queryFn: () => (page === 1 ? Promise.resolve([row(1, 'old')]) : answer<Row[]>().promise),
        select: (rows) => titles(rows),
        placeholderData: (rows) => rows,
      })
      note(`${data} ${isPlaceholderData}`)
      return null
    }
    const tree = (page: number) => (
      <>
        <Rows page={page} />
        <Rename to={row(1, 'new')} />
      </>
    )
    const { rerender } = mount(tree(1))
    await settle()
    press()
    await settle()
    rerender(
      <StrictMode>
        <RealtimeQueryProvider bridge={app.bridge}>{tree(2)}</RealtimeQueryProvider>
      </StrictMode>,
    )
    await settle()
    expect(shown).toEqual(['undefined false', 'old false', 'new false', 'new true'])
  })

  it('show in a component that suspends, from its first render on', async () => {
    const gate = answer<Row[]>()
    function Rows() {
      const { data } = useSuspenseQuery({ queryKey: ROWS, queryFn: () => gate.promise })
      note(titles(data))
      return null
    }
    mount(
      <>
        <Suspense fallback="loading">
          <Rows />
        </Suspense>
        <Rename to={row(1, 'new')} />
      </>,
    )
    await settle()
    press()
    await settle()
    gate.resolve([row(1, 'old')])
    await settle()
    expect(shown).toEqual(['new'])
  })

  it('show in an infinite query, and are not baked into its next page', async () => {
    function Feed() {
      const { data, fetchNextPage } = useInfiniteQuery({
        queryKey: ROWS,
        queryFn: ({ pageParam }) => Promise.resolve([row(pageParam, `row ${pageParam}`)]),
        initialPageParam: 1,
        getNextPageParam: (_, pages) => (pages.length < 2 ? pages.length + 1 : undefined),
      })
      note(titles(data?.pages.flat()))
      useEffect(() => {
        more.current = () => void fetchNextPage()
      })
      return null
    }
    const more: { current: () => void } = { current: () => undefined }
    mount(
      <>
        <Feed />
        <Rename to={row(1, 'new')} />
      </>,
    )
    await settle()
    press()
    await settle()
    act(() => {
      more.current()
    })
    await settle()
    expect(shown).toEqual(['', 'row 1', 'new', 'new,row 2'])
    response.reject(refusal())
    await settle()
    expect(shown.at(-1)).toBe('row 1,row 2')
    const { pages } = app.queryClient.getQueryData(ROWS) as InfiniteData<Row[]>
    expect(pages).toEqual([[row(1, 'row 1')], [row(2, 'row 2')]])
  })

  it('work with useMutation, whose callbacks and context are as ever', async () => {
    const calls: unknown[] = []
    function Save() {
      const { mutate } = useMutation(
        realtimeMutationOptions(app.bridge, {
          mutationKey: ['save'],
          scope: { id: 'rows' },
          mutationFn: () => response.promise,
          optimistic: (title: string, { mutationId }) => upsert(['rows', 'list'], row(mutationId, title)),
          onMutate: (title) => ({ seen: title }),
          onSuccess: (saved, title, result) => calls.push(['success', saved, title, result]),
          onSettled: (saved, error, title, result) => calls.push(['settled', saved, error, title, result]),
        }),
      )
      return (
        <button
          onClick={() => {
            mutate('new', { onSuccess: (...args) => calls.push(['call', args[2]]) })
          }}
        >
          save
        </button>
      )
    }
    mount(<Save />)
    await settle()
    press()
    await settle()
    expect(app.queryClient.isMutating({ mutationKey: ['save'] })).toBe(1)
    response.resolve(row(7, 'new'))
    await settle()
    const result = { seen: 'new', mutationId: 'm1' }
    expect(calls).toEqual([
      ['success', row(7, 'new'), 'new', result],
      ['settled', row(7, 'new'), null, 'new', result],
      ['call', result],
    ])
  })

  it('tell a row whether it is saved, and let it be retried or discarded', async () => {
    function State({ id }: { id: Row['id'] }) {
      const { status, mutations } = useSyncState(['rows'], { id })
      note(`${status} ${mutations.length}`)
      return null
    }
    function Failed() {
      return usePendingMutations().map(({ mutationId, status, retry, discard }) => (
        <p key={mutationId}>
          {status}
          <a onClick={retry}>retry</a>
          <a onClick={discard}>discard</a>
        </p>
      ))
    }
    mount(
      <>
        <State id={1} />
        <State id={2} />
        <Failed />
        <Rename to={row(1, 'new')} />
      </>,
    )
    await settle()
    press()
    await settle()
    response.reject(refusal())
    await settle()
    expect(screen.getByText('failed')).toBeDefined()
    response = answer()
    act(() => {
      screen.getByText('retry').click()
    })
    await settle()
    expect(screen.getByText('saving')).toBeDefined()
    response.reject(refusal())
    await settle()
    act(() => {
      screen.getByText('discard').click()
    })
    await settle()
    expect(screen.queryByText('discard')).toBeNull()
    expect(new Set(shown)).toEqual(new Set(['synced 0', 'saving 1', 'failed 1']))
  })

  it('keep a row mounted when the server gives it an id of its own', async () => {
    let mounts = 0
    function Item({ title }: { title: string }) {
      const counted = useRef(false)
      useEffect(() => {
        if (!counted.current) mounts++
        counted.current = true
      }, [])
      return <li>{title}</li>
    }
    function Rows() {
      const { data } = useQuery({ queryKey: ROWS, queryFn: () => Promise.resolve([] as Row[]) })
      const keyOf = useStableKey()
      note((data ?? []).map(({ id }) => id).join())
      return (data ?? []).map(({ id, title }) => <Item key={keyOf(id)} title={title} />)
    }
    function Create() {
      const { mutate } = useRealtimeMutation({
        mutationFn: (_: string) => response.promise,
        optimistic: (title, { mutationId }) => upsert(['rows', 'list'], row(mutationId, title)),
        confirm: (saved) => upsert(['rows', 'list'], saved),
        settle: 'echo',
      })
      return (
        <button
          onClick={() => {
            mutate('new')
          }}
        >
          create
        </button>
      )
    }
    mount(
      <>
        <Rows />
        <Create />
      </>,
    )
    await settle()
    press()
    await settle()
    const item = screen.getByRole('listitem')
    response.resolve(row(77, 'new'))
    await settle()
    await echo(row(77, 'new'), 'm1')
    expect(shown).toEqual(['', 'm1', '77'])
    expect(screen.getByRole('listitem')).toBe(item)
    expect(mounts).toBe(1)
  })
})
