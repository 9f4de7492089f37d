import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { QueryClient, QueryObserver } from '@tanstack/query-core'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { defineEvents, on, RealtimeQueryBridge, upsert } from '../../src/index.ts'
import { sseTransport } from '../../src/transports/sse.ts'
import { SseClient } from '../server/sse-support.ts'

const Task = z.object({ id: z.number(), title: z.string() })
const ROOT = resolve(import.meta.dirname, '../..')

beforeAll(() => {
  if (!existsSync(join(ROOT, 'dist/server.js')))
    throw new Error('There is no build to test: run `npm run build` first.')
})

/** Everything but Bun's runs on Node. */
const commandOf = (name: string): [string, ...string[]] =>
  name === 'bun' ? [join(ROOT, 'node_modules/.bin/bun')] : [process.execPath, '--import', 'tsx']

/** The example as a process of its own, on the built package. Gives where it listens. */
async function startExample(name: string): Promise<string> {
  const [program, ...args] = commandOf(name)
  const child = spawn(program, [...args, join(ROOT, 'examples', name, 'server.ts')], {
    cwd: ROOT,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  for await (const line of createInterface(child.stdout)) {
    const port = /^.*http:.*:(\d+)\/?$/.exec(line)?.[1]
    if (port !== undefined) return `http://localhost:${port}`
  }
  throw new Error(`examples/${name} has ended without an address.`)
}

const create = (url: string, user: string, { key, title }: { key: string; title: string }) =>
  fetch(`${url}/tasks`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key, Authorization: `Bearer ${user}` },
    body: JSON.stringify({ title }),
  })

describe.each(['express', 'fastify', 'hono-sse', 'bun'])('examples/%s', (name) => {
  it('serves tasks with their position, and tells of each write once', async () => {
    const url = await startExample(name)
    const stream = `${url}/realtime/events`
    expect((await fetch(stream)).status).toBe(401)
    const before = await fetch(`${url}/tasks`)
    expect(await before.json()).toEqual([])
    const position = before.headers.get('realtime-position')!
    expect(position).toMatch(/^tasks=[^:]+:0$/)

    const headers = { Authorization: 'Bearer ada' }
    const watching = await SseClient.ready(stream, headers)
    await watching.subscribe('tasks')
    await watching.next('subscribed')

    const answers = await Promise.all([1, 2, 3].map(() => create(url, 'ada', { key: 'k', title: 'one' })))
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
    expect((await create(url, 'ada', { key: 'k', title: 'two' })).status).toBe(422)
    expect((await create(url, 'bob', { key: 'k', title: 'two' })).status).toBe(201)
    expect(await watching.wireEvents(2)).toMatchObject([
      { type: 'task.created', data: { id: 1, title: 'one' }, mutationId: 'k' },
      { type: 'task.created', data: { id: 2, title: 'two' } },
    ])
    await watching.settled()

    // Whoever has fetched before hears what has happened since.
    const query = new URLSearchParams({ topic: 'tasks', position })
    const late = await SseClient.ready(`${stream}?${query}`, headers)
    expect((await late.next('subscribed')).events).toHaveLength(2)
    expect(await (await fetch(`${url}/tasks`)).json()).toHaveLength(2)
  })
})

describe.each(['express', 'fastify', 'hono-sse', 'bun'])('examples/%s', (name) => {
  it('keeps the list of a bridge live, over a write of its own and one of somebody else', async () => {
    const url = await startExample(name)
    const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } })
    const bridge = new RealtimeQueryBridge({
      queryClient,
      topics: ['tasks'],
      events: defineEvents({ 'task.created': on(Task, (task) => upsert(['tasks'], task)) }),
      transport: sseTransport({ url: `${url}/realtime/events`, token: () => 'ada' }),
    })
    let fetches = 0
    const observer = new QueryObserver<{ id: number; title: string }[]>(queryClient, {
      queryKey: ['tasks'],
      queryFn: async () => (fetches++, (await fetch(`${url}/tasks`)).json()),
    })
    const sees = (titles: string[]) =>
      new Promise<void>((resolve) => {
        const look = ({ data }: { data: { title: string }[] | undefined }) => {
          if (JSON.stringify(data?.map(({ title }) => title)) === JSON.stringify(titles)) resolve()
        }
        onTestFinished(observer.subscribe(look))
        look(observer.getCurrentResult())
      })
    onTestFinished(() => {
      bridge.stop()
      queryClient.clear()
    })
    bridge.start()
    await sees([])
    await new Promise<void>((resolve) => {
      onTestFinished(bridge.subscribe(({ status }) => status === 'live' && resolve()))
      if (bridge.status.status === 'live') resolve()
    })
    await create(url, 'ada', { key: 'k1', title: 'one' })
    await create(url, 'bob', { key: 'k2', title: 'two' })
    await sees(['one', 'two'])
    expect(fetches).toBe(1)
  })
})

describe('examples/express', () => {
  it('tells Prometheus and a load balancer how it is', async () => {
    const url = await startExample('express')
    const scrape = async () => new Set((await (await fetch(`${url}/metrics`)).text()).split('\n'))
    const watching = await SseClient.ready(`${url}/realtime/events`, { Authorization: 'Bearer ada' })
    await watching.subscribe('tasks')
    await watching.next('subscribed')
    await create(url, 'ada', { key: 'k', title: 'one' })
    await watching.wireEvents(1)
    const before = await scrape()
    expect(before).toContain('realtime_connections 1')
    expect(before).toContain('realtime_subscriptions 1')
    expect(before).toContain('realtime_published_total 1')
    expect(before).toContain('# TYPE realtime_buffered_bytes gauge')
    expect(before).toContain('# TYPE nodejs_eventloop_lag_p99_seconds gauge')
    watching.close()
    let after = await scrape()
    while (!after.has('realtime_connections 0')) after = await scrape()
    expect(after).toContain('realtime_closed_total{by="client",code="1006"} 1')
    expect(after).toContain('realtime_published_total 1')
    const ready = await fetch(`${url}/ready`)
    expect([ready.status, await ready.json()]).toMatchObject([200, { status: 'ok', connections: 0 }])
  })
})

describe.each(['express', 'fastify'])('examples/%s', (name) => {
  it('speaks rqb.v1 over WebSocket, too', async () => {
    const url = await startExample(name)
    const socket = new WebSocket(`${url.replace('http', 'ws')}/realtime`, 'rqb.v1')
    onTestFinished(() => socket.terminate())
    const frames: unknown[] = []
    const isWelcome = new Promise<void>((settle) => {
      socket.on('message', (data: Buffer) => {
        frames.push(JSON.parse(data.toString()))
        settle()
      })
    })
    socket.on('open', () => socket.send('{"t":"hello","token":"ada"}'))
    await isWelcome
    expect(frames).toMatchObject([{ t: 'welcome' }])
  })
})
