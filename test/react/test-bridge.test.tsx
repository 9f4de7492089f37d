// The screen of an app, tested as docs/testing.md shows it: real components, real requests that MSW answers, and the
// test server in place of the network.
import { useQuery } from '@tanstack/react-query'
import { act, fireEvent, render, screen } from '@testing-library/react'
import { http, HttpResponse } from 'msw'
import { setupServer } from 'msw/node'
import { StrictMode } from 'react'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  vi,
  type MockInstance,
} from 'vitest'
import { z } from 'zod'
import { defineEvents, on, positioned, presenceOf, remove, upsert } from '../../src/index.ts'
import {
  RealtimeQueryProvider,
  usePendingMutations,
  usePresence,
  useRealtimeBridge,
  useRealtimeMutation,
  useRealtimeStatus,
} from '../../src/react/index.ts'
import { withPosition } from '../../src/server/index.ts'
import { createTestBridge, type TestBridge } from '../../src/testing/index.ts'
import { answer } from '../mutations/support.ts'

const Task = z.object({ id: z.string(), title: z.string() })
type Task = z.infer<typeof Task>

const events = defineEvents({
  'task.saved': on(Task, (task) => upsert(['tasks'], task)),
  'task.deleted': on(Task.pick({ id: true }), ({ id }) => remove(['tasks'], id)),
})

const API = 'http://api.test/tasks'

function TaskList() {
  const bridge = useRealtimeBridge()
  const { data: tasks = [] } = useQuery({
    queryKey: ['tasks'],
    queryFn: positioned(
      bridge,
      async ({ received }): Promise<Task[]> => received(await fetch(API)).json() as Promise<Task[]>,
    ),
    meta: { topics: ['board'] },
  })
  const rename = useRealtimeMutation({
    mutationFn: async ({ id, title }: Task, { mutationId }) => {
      const response = await fetch(`${API}/${id}`, {
        method: 'PATCH',
        body: JSON.stringify({ title }),
        headers: { 'Idempotency-Key': mutationId },
      })
      if (!response.ok) throw Object.assign(new Error('refused'), { status: response.status })
    },
    optimistic: (task) => events.predict('task.saved', task),
  })
  const { others } = usePresence('board')
  const { status } = useRealtimeStatus()
  const [pending] = usePendingMutations()
  return (
    <>
      <ul>
        {tasks.map(({ id, title }) => (
          <li key={id}>
            <button
              onClick={() => {
                rename.mutate({ id, title: `${title}!` })
              }}
            >
              {title}
            </button>
          </li>
        ))}
      </ul>
      <p role="note">{pending?.status ?? 'saved'}</p>
      <p role="status" aria-label="others">
        {others.map(({ user }) => user).join()}
      </p>
      <p>offline: {String(status !== 'live')}</p>
    </>
  )
}

describe.each(['real', 'fake'])('a screen on a test bridge, with %s timers', (timers) => {
  let test: TestBridge<typeof events>
  let tasks: Task[]
  let gets: number
  let mayRespond: Promise<void> | undefined
  let errors: MockInstance<typeof console.error>

  const backend = setupServer(
    http.get(API, () => {
      gets++
      return withPosition(test.server, ['board'], () => HttpResponse.json(tasks))
    }),
    http.patch(`${API}/:id`, async ({ params, request }) => {
      await mayRespond
      const { title } = (await request.json()) as { title: string }
      await save({ id: String(params['id']), title }, request.headers.get('Idempotency-Key') ?? undefined)
      return HttpResponse.json(null)
    }),
  )
  /** What a write does on the server. */
  async function save(task: Task, mutationId?: string) {
    tasks = [...tasks.filter(({ id }) => id !== task.id), task]
    await test.server.publish('board', { type: 'task.saved', data: task, mutationId })
  }

  beforeAll(() => {
    backend.listen({ onUnhandledRequest: 'error' })
  })
  beforeEach(async () => {
    if (timers === 'fake') vi.useFakeTimers()
    tasks = [{ id: '1', title: 'Write' }]
    gets = 0
    mayRespond = undefined
    errors = vi.spyOn(console, 'error')
    test = createTestBridge({ events })
    render(
      <StrictMode>
        <RealtimeQueryProvider bridge={test.bridge}>
          <TaskList />
        </RealtimeQueryProvider>
      </StrictMode>,
    )
    await test.settled()
  })
  afterEach(() => {
    // No update of React's that is not wrapped in `act`, for one.
    expect(errors).not.toHaveBeenCalled()
    backend.resetHandlers()
    vi.useRealTimers()
  })
  afterAll(() => {
    backend.close()
  })

  const titles = () => screen.queryAllByRole('listitem').map(({ textContent }) => textContent)
  const click = (title: string) => fireEvent.click(screen.getByRole('button', { name: title }))
  const note = () => screen.getByRole('note').textContent

  it('shows what the backend has, and what it pushes', async () => {
    expect(titles()).toEqual(['Write'])
    await save({ id: '2', title: 'Test' })
    await test.settled()
    expect(titles()).toEqual(['Write', 'Test'])
    await test.server.publish('board', { type: 'task.deleted', data: { id: '1' } })
    await test.settled()
    expect(titles()).toEqual(['Test'])
    expect(gets).toBe(1)
  })

  it('shows a guess at once, and is saved when its echo has come', async () => {
    const held = answer<void>()
    mayRespond = held.promise
    click('Write')
    await test.settled({ requests: false })
    expect(titles()).toEqual(['Write!'])
    expect(note()).toBe('saving')
    held.resolve(undefined)
    await test.settled()
    expect(titles()).toEqual(['Write!'])
    expect(note()).toBe('saved')
    expect(gets).toBe(1)
  })

  it('takes back what is refused, and nothing else', async () => {
    backend.use(http.patch(`${API}/:id`, () => HttpResponse.json(null, { status: 409 })))
    click('Write')
    await save({ id: '2', title: 'of others' })
    await test.settled()
    expect(titles()).toEqual(['Write', 'of others'])
    expect(note()).toBe('failed')
  })

  it('waits for an echo that is late', async () => {
    backend.use(http.patch(`${API}/:id`, () => HttpResponse.json(null)))
    click('Write')
    await test.settled()
    expect(titles()).toEqual(['Write!'])
    expect(note()).toBe('confirming')
    const [sent] = test.bridge.pendingMutations()
    await save({ id: '1', title: 'Write!' }, sent?.mutationId)
    await test.settled()
    expect(note()).toBe('saved')
    expect(gets).toBe(1)
  })

  it.runIf(timers === 'fake')('fetches when the echo never comes', async () => {
    vi.spyOn(console, 'warn').mockReturnValue() // The bridge says so.
    backend.use(http.patch(`${API}/:id`, () => HttpResponse.json(null)))
    click('Write')
    await test.settled()
    tasks = [{ id: '1', title: 'Write, as it is on the server' }]
    await act(() => vi.advanceTimersByTimeAsync(5_000))
    await test.settled()
    expect(titles()).toEqual(['Write, as it is on the server'])
    expect(note()).toBe('saved')
    expect(gets).toBe(2)
  })

  it('sends again what had no answer, at once', async () => {
    backend.use(http.patch(`${API}/:id`, () => HttpResponse.error(), { once: true }))
    click('Write')
    await test.settled()
    expect(titles()).toEqual(['Write!'])
    expect(note()).toBe('saved')
  })

  it('finds what it has missed while it was away', async () => {
    test.server.goDown()
    await save({ id: '2', title: 'meanwhile' })
    await test.settled()
    expect(titles()).toEqual(['Write'])
    expect(screen.getByText('offline: true')).toBeTruthy()
    test.server.comeBack()
    await test.settled()
    expect(titles()).toEqual(['Write', 'meanwhile'])
    expect(gets).toBe(1)
  })

  it('asks for an event that was lost, and fetches when the history is', async () => {
    await test.server.publish(
      'board',
      { type: 'task.saved', data: { id: '2', title: 'lost' } },
      { lost: true },
    )
    await save({ id: '3', title: 'next' })
    await test.settled()
    expect(titles()).toEqual(['Write', 'lost', 'next'])
    expect(gets).toBe(1)

    tasks = [{ id: '4', title: 'all there is' }]
    test.server.reset('board')
    await test.settled()
    expect(titles()).toEqual(['all there is'])
    expect(gets).toBe(2)
  })

  it('shows who else is here', async () => {
    const other = createTestBridge({ events, server: test.server, token: 'Ann' })
    other.bridge.start()
    const place = presenceOf(other.bridge).join('board', {})
    await Promise.all([other.settled(), test.settled()])
    expect(screen.getByRole('status', { name: 'others' }).textContent).toBe('Ann')
    place.leave()
    await Promise.all([other.settled(), test.settled()])
    expect(screen.getByRole('status', { name: 'others' }).textContent).toBe('')
    other.bridge.stop()
  })
})
