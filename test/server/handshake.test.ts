import { describe, expect, it } from 'vitest'
import { createRealtimeServer, tokenExpired } from '../../src/server/index.ts'
import { startServer, TestClient } from './support.ts'

describe('S3 handshake', () => {
  it('welcomes a client whose token is good, under an id of its own', async () => {
    const { url } = await startServer({
      authenticate: ({ token }) => (token === 'good' ? { user: 'ada' } : null),
    })
    const clients = await Promise.all([TestClient.open(url), TestClient.open(url)])
    const ids = await Promise.all(
      clients.map(async (client) => {
        client.send({ t: 'hello', token: 'good' })
        return (await client.next('welcome')).connectionId
      }),
    )
    expect(new Set(ids).size).toBe(2)
  })

  it.each([
    ['wrong', 'wrong'],
    ['missing', undefined],
    ['empty', ''],
  ])('closes with 4401 when the token is %s', async (_, token) => {
    const { url } = await startServer({
      authenticate: ({ token }) => (token === 'good' ? { user: 'ada' } : null),
    })
    const client = await TestClient.open(url)
    client.send({ t: 'hello', token })
    expect(await client.closed).toEqual({ code: 4401, reason: 'not authenticated' })
    expect(client.messages).toEqual([])
  })

  it.each([[undefined], [false]])('closes with 4401 when authenticate gives %s', async (identity) => {
    const { url } = await startServer({ authenticate: () => identity as never })
    const client = await TestClient.open(url)
    client.send({ t: 'hello' })
    expect(await client.closed).toMatchObject({ code: 4401 })
  })

  it('closes with 4402 when the token is too old, so that the client fetches a new one', async () => {
    const { url } = await startServer({ authenticate: () => tokenExpired })
    const client = await TestClient.open(url)
    client.send({ t: 'hello', token: 'old' })
    expect(await client.closed).toEqual({ code: 4402, reason: 'token expired' })
  })

  it('closes with 4408 when hello does not come in time', async () => {
    const { url } = await startServer({ limits: { helloTimeoutMs: 20 } })
    expect(await new TestClient(url).closed).toEqual({ code: 4408, reason: 'no hello in time' })
  })

  it('closes with 4408 when authenticate does not answer in time, whatever it answers later', async () => {
    let answer = (_: { user: string }) => {}
    const { url, server } = await startServer({
      limits: { helloTimeoutMs: 20 },
      authenticate: () => new Promise((resolve) => (answer = resolve)),
    })
    const client = await TestClient.open(url)
    client.send({ t: 'hello' })
    expect(await client.closed).toMatchObject({ code: 4408 })
    answer({ user: 'late' })
    await server.publish('t', { type: 'a' })
    expect(client.messages).toEqual([])
  })

  it('closes with 4401 whoever subscribes before hello, and asks nobody about it', async () => {
    const asked: string[] = []
    const { url } = await startServer({
      authenticate: () => (asked.push('authenticate'), { user: 'x' }),
      authorize: ({ topic }) => (asked.push(topic), true),
    })
    const client = await TestClient.open(url)
    client.subscribe('secret')
    client.send({ t: 'hello' })
    expect(await client.closed).toMatchObject({ code: 4401 })
    expect(client.messages).toEqual([])
    expect(asked).toEqual([])
  })

  it('closes with 4401 whoever subscribes before welcome', async () => {
    const { url } = await startServer({ authenticate: () => new Promise<never>(() => {}) })
    const client = await TestClient.open(url)
    client.send({ t: 'hello' })
    client.subscribe('secret')
    expect(await client.closed).toMatchObject({ code: 4401 })
  })

  it('answers a ping while it authenticates, without heads', async () => {
    const { url } = await startServer({ authenticate: () => new Promise<never>(() => {}) })
    const client = await TestClient.open(url)
    client.send({ t: 'hello' })
    client.send({ t: 'ping' })
    expect(await client.next('pong')).toEqual({ t: 'pong' })
  })

  it('closes with 4400 when hello comes twice', async () => {
    const { url } = await startServer()
    const client = await TestClient.ready(url)
    client.send({ t: 'hello' })
    expect(await client.closed).toEqual({ code: 4400, reason: 'hello was said before' })
  })

  it('closes with 4500 and reports when authenticate throws, and tells the client nothing of it', async () => {
    const { url, errors } = await startServer({
      authenticate: ({ token }) => {
        if (token === 'bad') throw new Error('SELECT * FROM users failed')
        return { user: 'ada' }
      },
    })
    const client = await TestClient.open(url)
    client.send({ t: 'hello', token: 'bad' })
    expect(await client.closed).toEqual({ code: 4500, reason: 'authentication failed' })
    expect(errors).toMatchObject([
      { code: 'callback-failed', cause: { message: 'SELECT * FROM users failed' } },
    ])
    await TestClient.ready(url, 'good')
  })

  it('hands authenticate the headers and the address, so that cookies work', async () => {
    let seen: unknown
    const { url } = await startServer({
      authenticate: ({ request }) => {
        seen = { cookie: request.headers['cookie'], url: request.url, address: request.remoteAddress }
        return { user: 'ada' }
      },
    })
    const client = await TestClient.open(`${url}?room=1`, { headers: { Cookie: 'session=1' } })
    client.send({ t: 'hello' })
    await client.next('welcome')
    expect(seen).toEqual({ cookie: 'session=1', url: '/realtime?room=1', address: '127.0.0.1' })
  })

  it('never tells the logger or onError a token', async () => {
    const lines: unknown[] = []
    const { url } = await startServer({
      authenticate: ({ token }) => (token === 'canary-good' ? { user: 'ada' } : null),
      logger: { debug: (message, details) => lines.push(message, details) },
      onError: (error) => lines.push(error, error.message, error.cause, error.details),
    })
    await TestClient.ready(url, 'canary-good')
    const wrong = await TestClient.open(url)
    wrong.send({ t: 'hello', token: 'canary-wrong' })
    await wrong.closed
    const broken = await TestClient.open(url)
    broken.socket.send('{"t":"hello","token":"canary-broken"')
    await broken.closed
    const spelled = await TestClient.open(url)
    spelled.socket.send('{"t":"hello","token":["canary-list"]}')
    await spelled.closed
    expect(lines.length).toBeGreaterThan(4)
    expect(
      JSON.stringify(lines, (_, value: unknown) => (value instanceof Error ? String(value.stack) : value)),
    ).not.toContain('canary')
  })

  it('needs authenticate and authorize', () => {
    expect(() => createRealtimeServer({} as never)).toThrow('needs authenticate and authorize')
  })

  it('refuses limits that it does not know or that are not numbers', () => {
    const functions = { authenticate: () => ({}), authorize: () => true }
    expect(() => createRealtimeServer({ ...functions, limits: { maxTopic: 1 } as never })).toThrow(
      'no limit named maxTopic',
    )
    expect(() => createRealtimeServer({ ...functions, limits: { maxReplayEvents: -1 } })).toThrow(
      'maxReplayEvents',
    )
  })
})
