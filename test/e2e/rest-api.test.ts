import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import {
  PRIORITIES,
  SORTS,
  STATUSES,
  type Task,
  type TaskFilters,
} from '../../examples/task-board/shared/model.ts'
import { compareTasks, matchesFilters } from '../../examples/task-board/shared/task-order.ts'
import { startBoard, type ApiClient, type BoardServer } from './support/board-server.ts'

describe('the REST API of the task board', () => {
  let server: BoardServer
  let mina: ApiClient

  beforeAll(async () => {
    server = await startBoard()
    mina = await server.as('mina')
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const tasksOf = async (search = '') => (await mina<Task[]>('GET', `/boards/orbit/tasks${search}`)).body
  const newTask = (title: string) => ({ id: crypto.randomUUID(), title, status: 'todo' })

  it('filters and sorts as the client does with events', async () => {
    const all = await tasksOf()
    expect(all.length).toBeGreaterThan(10)
    const filters: TaskFilters[] = [
      ...STATUSES.map((status) => ({ status })),
      ...PRIORITIES.map((priority) => ({ priority })),
      { assignee: 'theo' },
      { assignee: 'nobody' },
      { label: 'bug' },
      { label: 'feature', status: 'todo' },
      {},
    ]
    for (const sort of SORTS) {
      for (const filter of filters) {
        const wanted = { ...filter, sort }
        const expected = all
          .filter((task) => matchesFilters(task, wanted) !== false)
          .sort((a, b) => compareTasks(a, b, wanted))
        const answer = await tasksOf(`?${new URLSearchParams(wanted as Record<string, string>)}`)
        expect(
          answer.map((task) => task.key),
          JSON.stringify(wanted),
        ).toEqual(expected.map((task) => task.key))
      }
    }
  })

  it('carries a write out once, however often it is sent, and tells of it once', async () => {
    const { headers } = await mina('POST', '/boards/website/tasks', {
      body: newTask('Once'),
      key: 'other-board',
    })
    expect(headers.get('Idempotency-Replayed')).toBeNull()
    const heard = await listen(server.url, 'mina', 'board:orbit')
    const body = newTask('Sent three times')
    const answers = await Promise.all(
      [1, 2, 3].map(() => mina('POST', '/boards/orbit/tasks', { body, key: 'same' })),
    )
    expect(answers.map((answer) => answer.status)).toEqual([201, 201, 201])
    expect(answers[1]!.body).toEqual(answers[0]!.body)
    expect(answers[2]!.body).toEqual(answers[0]!.body)
    expect(answers.filter((answer) => answer.headers.get('Idempotency-Replayed') === 'true')).toHaveLength(2)

    await mina('DELETE', `/tasks/${body.id}`, { key: 'the-barrier' })
    const events = await heard.until((event) => event.mutationId === 'the-barrier')
    expect(events.map(({ type, mutationId }) => ({ type, mutationId }))).toEqual([
      { type: 'task.created', mutationId: 'same' },
      { type: 'task.deleted', mutationId: 'the-barrier' },
    ])
    heard.close()
  })

  it('refuses a key that stands for another request', async () => {
    await mina('POST', '/boards/orbit/tasks', { body: newTask('First'), key: 'taken' })
    const { status } = await mina('POST', '/boards/orbit/tasks', { body: newTask('Second'), key: 'taken' })
    expect(status).toBe(422)
  })

  it('publishes in the order of the commits', async () => {
    const heard = await listen(server.url, 'mina', 'board:orbit')
    const body = newTask('Busy')
    await mina('POST', '/boards/orbit/tasks', { body })
    const titles = Array.from({ length: 20 }, (_, i) => `Busy ${i}`)
    await Promise.all(titles.map((title) => mina('PATCH', `/tasks/${body.id}`, { body: { title } })))
    await mina('DELETE', `/tasks/${body.id}`)
    const events = await heard.until(({ type }) => type === 'task.deleted')
    expect(events.map(({ data }) => data.task.version)).toEqual(Array.from({ length: 22 }, (_, i) => i + 2))
    heard.close()
  })

  it('keeps an order without ties, however often tasks are moved', async () => {
    for (let i = 0; i < 60; i++) {
      const tasks = (await tasksOf()).filter((task) => task.status === 'todo')
      const moved = tasks[(i * 7) % tasks.length]!
      const after = i % 3 === 0 ? null : tasks[(i * 5) % tasks.length]!
      if (after?.id === moved.id) continue
      await mina('POST', `/tasks/${moved.id}/move`, { body: { status: 'todo', afterId: after?.id ?? null } })
      const now = (await tasksOf()).filter((task) => task.status === 'todo')
      const index = now.findIndex((task) => task.id === moved.id)
      expect(now[index - 1]?.id).toBe(after?.id)
      expect(new Set(now.map((task) => task.rank)).size).toBe(now.length)
    }
  })

  it('answers mistakes as JSON that says what is wrong', async () => {
    const answers = [
      await mina<{ error: { code: string } }>('POST', '/boards/orbit/tasks', {
        body: { ...newTask(''), title: ' ' },
      }),
      await mina<{ error: { code: string } }>('GET', '/boards/nowhere/tasks'),
      await mina<{ error: { code: string } }>('GET', '/tasks/nothing'),
      await mina<{ error: { code: string } }>('GET', '/boards/orbit/tasks?sort=colour'),
    ]
    expect(answers.map(({ status, body }) => [status, body.error.code])).toEqual([
      [400, 'invalid'],
      [404, 'not-found'],
      [404, 'not-found'],
      [400, 'invalid'],
    ])
  })
})

interface HeardEvent {
  readonly type: string
  readonly data: { readonly task: Task }
  readonly mutationId?: string
}

/** Subscribes to a topic over a bare socket, and gathers its events. */
async function listen(url: string, userId: string, topic: string) {
  const session = await fetch(`${url}/api/session`, { method: 'POST', body: JSON.stringify({ userId }) })
  const { token } = (await session.json()) as { token: string }
  const socket = new WebSocket(`${url.replace('http', 'ws')}/realtime`, 'rqb.v1')
  await once(socket, 'open')
  const events: HeardEvent[] = []
  let onEvent = () => {}
  const subscribed = new Promise<void>((resolve) => {
    socket.on('message', (raw: Buffer) => {
      const message = JSON.parse(String(raw)) as { t: string; events?: HeardEvent[] }
      if (message.t === 'welcome') socket.send(JSON.stringify({ t: 'subscribe', topics: [{ topic }] }))
      if (message.t === 'subscribed') resolve()
      if (message.t !== 'events') return
      events.push(...message.events!)
      onEvent()
    })
  })
  socket.send(JSON.stringify({ t: 'hello', token }))
  await subscribed
  return {
    until: (isLast: (event: HeardEvent) => boolean) =>
      new Promise<HeardEvent[]>((resolve) => {
        onEvent = () => {
          if (events.some(isLast)) resolve(events)
        }
        onEvent()
      }),
    close: () => {
      socket.close()
    },
  }
}
