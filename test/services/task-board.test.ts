/** The server of the task board, as it is built, on each of the logs that one variable chooses. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { parsePositions, POSITION_HEADER } from '../../src/server/index.ts'
import { TestClient } from '../server/support.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { RedisServer } from '../support/redis-server.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const TOPIC = 'board:orbit'

interface Change {
  readonly task: { readonly id: string; readonly title: string; readonly version: number }
}

/** One process of the board, and a person of the demo who uses it. */
class Board {
  readonly #process: ChildProcess
  readonly #url: string
  #token = ''

  private constructor(process: ChildProcess, url: string) {
    this.#process = process
    this.#url = url
  }

  static async start(realtimeLog: string, data: string, userId = 'mina'): Promise<Board> {
    if (!existsSync(join(root, 'dist/index.js')))
      throw new Error('The board runs on the built package: npm run build')
    const child = fork(join(root, 'examples/task-board/server/main.ts'), {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, PORT: '0', TASK_BOARD_DATA: data, REALTIME_LOG: realtimeLog },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [
      { url: string } | number,
    ]
    if (typeof message !== 'object') throw new Error(`The board has ended (${message}).`)
    const board = new Board(child, message.url)
    const { body } = await board.ask<{ token: string }>('POST', '/session', { userId })
    board.#token = body.token
    return board
  }

  async ask<TAnswer>(method: string, path: string, body?: unknown, key?: string) {
    const response = await fetch(`${this.#url}/api${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#token}`,
        ...(key === undefined ? {} : { 'Idempotency-Key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return {
      status: response.status,
      body: (await response.json()) as TAnswer,
      position: parsePositions(response.headers.get(POSITION_HEADER) ?? '')[TOPIC],
    }
  }

  create(title: string) {
    const task = { id: crypto.randomUUID(), title, status: 'todo' }
    return this.ask<Change>('POST', '/boards/orbit/tasks', task, task.id)
  }

  listen(): Promise<TestClient> {
    return TestClient.ready(`${this.#url.replace('http', 'ws')}/realtime`, this.#token)
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const isGone = once(this.#process, 'exit')
    this.#process.kill(signal)
    await isGone
  }
}

async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'task-board-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

describe('the task board', () => {
  let postgres: PostgresServer
  let redis: RedisServer
  beforeAll(async () => {
    ;[postgres, redis] = await Promise.all([PostgresServer.start(), RedisServer.start({ isDurable: true })])
  })
  afterAll(async () => {
    await Promise.all([postgres.remove(), redis.remove()])
  })

  const postgresUrl = async () => {
    const client = new pg.Client(postgres.connection)
    await client.connect()
    const database = `board_${Math.random().toString(36).slice(2)}`
    await client.query(`create database ${database}`)
    await client.end()
    return `postgres://postgres@127.0.0.1:${postgres.port}/${database}`
  }

  it.each([
    { kind: 'memory', choose: () => 'memory', keepsHistory: false },
    { kind: 'PGlite', choose: () => 'pglite', keepsHistory: true },
    { kind: 'PostgreSQL', choose: postgresUrl, keepsHistory: true },
    { kind: 'Redis', choose: () => `redis://127.0.0.1:${redis.port}`, keepsHistory: true },
  ])('runs on $kind', async ({ choose, keepsHistory }) => {
    const [realtimeLog, data] = [await choose(), await dataFolder()]
    const first = await Board.start(realtimeLog, data)
    const client = await first.listen()
    client.subscribe(TOPIC)
    const { position: begin } = await client.next('subscribed')

    // An answer says where its topic stands: at the event that the write has published.
    const created = await first.create('one')
    expect(created.status).toBe(201)
    expect(created.position).toEqual({ ...begin, offset: begin.offset + 1 })
    const [event] = await client.events(1)
    expect(event).toMatchObject({ type: 'task.created', data: created.body })
    expect(event?.mutationId).toBe(created.body.task.id)
    const repeated = await first.ask(
      'POST',
      '/boards/orbit/tasks',
      { id: created.body.task.id, title: 'one', status: 'todo' },
      created.body.task.id,
    )
    expect(repeated.body).toEqual(created.body)

    await Promise.all(Array.from({ length: 10 }, (_, n) => first.create(`more ${n}`)))
    await client.events(10)
    expect((await first.ask('GET', '/boards/orbit/tasks')).position?.offset).toBe(begin.offset + 11)

    await first.end('SIGTERM')
    const second = await Board.start(realtimeLog, data)
    const { body: tasks } = await second.ask<{ title: string }[]>('GET', '/boards/orbit/tasks')
    expect(tasks.filter(({ title }) => /^more \d$/.test(title))).toHaveLength(10)
    const returned = await second.listen()
    returned.subscribe(TOPIC, begin)
    const back = await returned.next('subscribed')
    expect(back.outcome).toBe(keepsHistory ? 'replayed' : 'reset')
    if (keepsHistory) expect(back.events).toHaveLength(11)
  })

  it('refuses a log that it does not know', async () => {
    await expect(Board.start('mysql://x', await dataFolder())).rejects.toThrow('has ended')
  })

  it('runs twice on one PostgreSQL, and each tells what the other has written', async () => {
    const url = await postgresUrl()
    // Both make the tables.
    const boards = await Promise.all([Board.start(url, ''), Board.start(url, '')])
    const clients = await Promise.all(boards.map((board) => board.listen()))
    for (const client of clients) {
      client.subscribe(TOPIC)
      await client.next('subscribed')
    }
    const created = await Promise.all(
      Array.from({ length: 30 }, (_, n) => boards[n % 2]!.create(`task ${n}`)),
    )
    const ids = created
      .sort((one, two) => one.position!.offset - two.position!.offset)
      .map(({ body }) => body.task.id)
    for (const client of clients) {
      expect((await client.events(30)).map(({ data }) => (data as Change).task.id)).toEqual(ids)
    }
    // Every change of one task, from both sides: its versions come in their order.
    const [id] = ids
    const { version } = created[0]!.body.task
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        boards[n % 2]!.ask('PATCH', `/tasks/${id}`, { title: `title ${n}` }),
      ),
    )
    for (const client of clients) {
      const versions = (await client.events(20)).map(({ data }) => (data as Change).task.version)
      expect(versions).toEqual(Array.from({ length: 20 }, (_, n) => version + 1 + n))
    }
  })

  it.each([
    { kind: 'PostgreSQL', choose: postgresUrl },
    { kind: 'Redis', choose: () => Promise.resolve(`redis://127.0.0.1:${redis.port}`) },
  ])('tells on two servers who is there, by $kind', async ({ choose }) => {
    const url = await choose()
    const boards = await Promise.all([
      Board.start(url, await dataFolder(), 'mina'),
      Board.start(url, await dataFolder(), 'theo'),
    ])
    const clients = await Promise.all(boards.map((board) => board.listen()))
    for (const client of clients) client.send({ t: 'presence-join', topic: TOPIC, state: 'here' })
    // What a server says before the other one listens is lost, so both say more.
    await Promise.all(
      clients.map(async (client, index) => {
        const other = ['theo', 'mina'][index]
        for (;;) {
          const message = await client.nextOfAny()
          const users =
            message.t === 'presence-state'
              ? message.members.map(({ user }) => user)
              : message.t === 'presence-diff'
                ? message.set.map(({ user }) => user)
                : []
          client.send({ t: 'presence-update', topic: TOPIC, state: 'here' })
          if (users.includes(other)) return
        }
      }),
    )
  })

  it('has the event of every row, and the row of every event, when it is killed in the middle of writing', async () => {
    const url = await postgresUrl()
    const data = await dataFolder()
    const board = await Board.start(url, data)
    const begin = (await board.ask('GET', '/boards/orbit/tasks')).position!
    let acked = 0
    const writing = Array.from({ length: 50 }, (_, n) =>
      board.create(`killed ${n}`).then(
        () => ++acked,
        () => undefined,
      ),
    )
    await Promise.race(writing)
    await board.end('SIGKILL')
    await Promise.all(writing)
    const next = await Board.start(url, data)
    const { body } = await next.ask<{ id: string; title: string }[]>('GET', '/boards/orbit/tasks')
    const rows = body.filter(({ title }) => title.startsWith('killed')).map(({ id }) => id)
    const client = await next.listen()
    client.subscribe(TOPIC, begin)
    const { events = [] } = await client.next('subscribed')
    expect(events.map(({ data }) => (data as Change).task.id).sort()).toEqual(rows.sort())
    expect(rows.length).toBeGreaterThanOrEqual(acked)
    expect(acked).toBeGreaterThan(0)
  })
})
