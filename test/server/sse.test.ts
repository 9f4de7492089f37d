import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { connect, type AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { formatPositions } from '../../src/core/protocol/position.ts'
import { createRealtimeServer, nodeListener, sseHandler, tokenExpired } from '../../src/server/index.ts'
import { noteOpenHandles } from '../support/open-handles.ts'
import { LISTENERS, SseClient, startSseServer } from './sse-support.ts'

const note = (n: number) => ({ type: 'noted', data: { n } })
const numbers = (events: readonly { data: unknown }[]) => events.map(({ data }) => (data as { n: number }).n)

describe.each(Object.entries(LISTENERS))('a stream, through %s', (_, listen) => {
  it('begins with its name and a welcome, and says that it must not be held back', async () => {
    const { url } = await startSseServer({ listen })
    const client = await SseClient.ready(url)
    expect(client.response.headers.get('content-type')).toBe('text/event-stream')
    expect(client.response.headers.get('cache-control')).toBe('no-cache, no-transform')
    expect(client.response.headers.get('x-accel-buffering')).toBe('no')
    expect(client.connection).toEqual({ protocol: 'rqb.v1', id: expect.stringMatching(/^[\da-f-]{36}$/) })
    expect(client.retries).toEqual([2_000])
  })

  it('brings events of topics that are subscribed by POST, and answers a ping', async () => {
    const { url, server } = await startSseServer({ listen })
    const client = await SseClient.ready(url)
    await client.subscribe('a')
    expect(await client.next('subscribed')).toMatchObject({ topic: 'a', outcome: 'fresh' })
    for (let n = 1; n <= 20; n++) await server.publish('a', note(n))
    expect(numbers(await client.wireEvents(20))).toEqual(Array.from({ length: 20 }, (__, index) => index + 1))
    expect(await client.settled()).toEqual(await server.position(['a']))
    await client.send({ t: 'unsubscribe', topics: ['a'] })
    await server.publish('a', note(21))
    expect(await client.settled()).toEqual({})
  })

  it('takes several messages in one POST, in order', async () => {
    const { url } = await startSseServer({ listen })
    const client = await SseClient.ready(url)
    await client.send(
      { t: 'subscribe', topics: [{ topic: 'a' }, { topic: 'b' }] },
      { t: 'unsubscribe', topics: ['a'] },
    )
    await client.until(() =>
      client.messages.find((message) => message.t === 'subscribed' && message.topic === 'b'),
    )
    await client.send({ t: 'ping' })
    const pong = await client.until(() => client.messages.find((message) => message.t === 'pong'))
    expect(Object.keys((pong as { heads: object }).heads)).toEqual(['b'])
  })

  it('leaves nothing when its client goes away', async () => {
    const isClosed = await noteOpenHandles()
    const { url, open, http } = await startSseServer({ listen })
    const clients = await Promise.all(Array.from({ length: 5 }, () => SseClient.ready(`${url}?topic=a`)))
    expect(open.size).toBe(5)
    for (const client of clients) client.close()
    while (open.size > 0) await new Promise((resolve) => setImmediate(resolve))
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
    await isClosed()
  })

  it('tells the code of the end, then ends', async () => {
    const { url, server } = await startSseServer({ listen })
    const client = await SseClient.ready(url)
    await server.close({ retryAfterMs: 1_234, graceMs: 0 })
    expect(await client.next('going-away')).toEqual({ t: 'going-away', retryAfterMs: 1_234 })
    expect(await client.named('close')).toEqual({ code: 1012, reason: 'server is restarting' })
    expect(client.retries).toEqual([2_000, 1_234])
    expect(await client.ended).toBe(true)
  })

  it('sends comments while nothing happens', async () => {
    const { url } = await startSseServer({ listen, handle: { heartbeatMs: 10 } })
    const client = await SseClient.ready(url)
    await client.until(() => client.comments.length >= 3)
  })
})

describe('topics in the URL', () => {
  it('are subscribed at once, and each event carries the positions of all of them', async () => {
    const { url, server } = await startSseServer()
    await server.publish('a', note(1))
    const client = await SseClient.ready(`${url}?topic=a&topic=b%2C+c`)
    const subscribed = [await client.next('subscribed'), await client.next('subscribed')]
    expect(subscribed.map(({ topic }) => topic).sort()).toEqual(['a', 'b, c'])
    await server.publish('b, c', note(2))
    expect(numbers(await client.wireEvents(1))).toEqual([2])
    const heads = await server.position(['a', 'b, c'])
    const id = client.lastId!
    for (const [topic, position] of Object.entries(heads)) {
      expect(id.split(', ')).toContain(formatPositions({ [topic]: position }))
    }
  })

  it('go on where the id of the last event says', async () => {
    const { url, server } = await startSseServer()
    const first = await SseClient.ready(`${url}?topic=a&topic=b`)
    await first.next('subscribed')
    await first.next('subscribed')
    await server.publish('a', note(1))
    await first.wireEvents(1)
    first.close()
    await server.publish('a', note(2))
    await server.publish('b', note(3))
    const second = await SseClient.ready(`${url}?topic=a&topic=b`, { 'Last-Event-ID': first.lastId! })
    const replays = [await second.next('subscribed'), await second.next('subscribed')]
    expect(replays.map(({ outcome }) => outcome)).toEqual(['replayed', 'replayed'])
    expect(replays.flatMap(({ events = [] }) => numbers(events)).sort()).toEqual([2, 3])
  })

  it('go on at the positions in the URL, and the id of the last event is newer', async () => {
    const { url, server } = await startSseServer()
    const [one, two] = [await server.publish('a', note(1)), await server.publish('a', note(2))]
    await server.publish('a', note(3))
    const given = `${url}?topic=a&position=${encodeURIComponent(formatPositions({ a: one }))}`
    const first = await SseClient.ready(given)
    expect(numbers((await first.next('subscribed')).events!)).toEqual([2, 3])
    const second = await SseClient.ready(given, { 'Last-Event-ID': formatPositions({ a: two }) })
    expect(numbers((await second.next('subscribed')).events!)).toEqual([3])
  })

  it.each([
    'nonsense',
    'a=other-epoch:3',
    'a=e:9007199254740991',
    '%%%=:,,,=',
    `a=e:${'9'.repeat(3_000)}`,
    '__proto__=e:1',
  ])('are served whatever the id of the last event is: %s', async (id) => {
    const { url, server, errors } = await startSseServer()
    await server.publish('a', note(1))
    const client = await SseClient.ready(`${url}?topic=a&topic=__proto__`, { 'Last-Event-ID': id })
    const answers = [await client.next('subscribed'), await client.next('subscribed')]
    for (const { outcome } of answers) expect(['fresh', 'reset']).toContain(outcome)
    expect(errors).toEqual([])
  })

  it('are authorized like any other, whatever positions come with them', async () => {
    const { url, server } = await startSseServer({ authorize: ({ topic }) => topic !== 'secret' })
    const position = await server.publish('secret', note(1))
    await server.publish('secret', note(2))
    const client = await SseClient.ready(`${url}?topic=secret`, {
      'Last-Event-ID': formatPositions({ secret: position }),
    })
    expect(await client.next('refused')).toMatchObject({ topic: 'secret', code: 'forbidden' })
    expect(JSON.stringify(client.events)).not.toContain('noted')
  })
})

describe('who may', () => {
  it('open a stream is asked once, with the bearer token, the cookies and the URL', async () => {
    const asked: unknown[] = []
    const { url } = await startSseServer({
      authenticate({ token, request }) {
        asked.push({
          token,
          url: request.url,
          cookie: request.headers['cookie'],
          address: request.remoteAddress,
        })
        return { user: 'ada' }
      },
    })
    await SseClient.ready(`${url}?topic=a`, { Authorization: 'Bearer s3cret', Cookie: 'sid=1' })
    expect(asked).toEqual([
      { token: 's3cret', url: '/events?topic=a', cookie: 'sid=1', address: '127.0.0.1' },
    ])
  })

  it.each([
    [null, 401, 4401],
    [tokenExpired, 401, 4402],
  ])('not is told by the status and the code: %s', async (identity, status, code) => {
    const { url, open } = await startSseServer({ authenticate: () => identity as null })
    const response = await fetch(url)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ code })
    expect(open.size).toBe(0)
  })

  it('come later is told by a stream that ends: an EventSource comes back', async () => {
    const { url, open } = await startSseServer({ limits: { maxConnections: 1 } })
    await SseClient.ready(url)
    const second = await SseClient.get(url)
    expect(second.response.status).toBe(200)
    expect(await second.named('close')).toMatchObject({ code: 4429 })
    expect(await second.ended).toBe(true)
    expect(open.size).toBe(1)
  })

  it('is not known when authenticate fails: the stream ends, the error is reported', async () => {
    const { url, errors } = await startSseServer({
      authenticate: () => Promise.reject(new Error('database is down')),
    })
    const client = await SseClient.get(url)
    expect(await client.named('close')).toMatchObject({ code: 4500 })
    expect(errors).toMatchObject([{ code: 'callback-failed' }])
  })

  it('speak for a stream is its identity, and nobody else who knows its id', async () => {
    const { url, server } = await startSseServer()
    const ada = await SseClient.ready(url, { Authorization: 'Bearer ada' })
    const message = JSON.stringify({ t: 'subscribe', topics: [{ topic: 'stolen' }] })
    for (const Authorization of ['Bearer bob', 'Basic ada', '']) {
      expect((await ada.post(message, { Authorization })).status).toBe(403)
    }
    await server.publish('stolen', note(1))
    expect(await ada.settled()).toEqual({})
  })

  it('speak for a stream is also its identity with another credential', async () => {
    let asked = 0
    const { url } = await startSseServer({
      authenticate: ({ request }) => {
        asked++
        const user = /user=(\w+)/.exec(String(request.headers['cookie']))?.[1]
        return user ? { user } : null
      },
    })
    const client = await SseClient.ready(url, { Cookie: 'user=ada' })
    const ping = JSON.stringify({ t: 'ping' })
    expect((await client.post(ping)).status).toBe(204)
    expect(asked).toBe(1)
    expect((await client.post(ping, { Cookie: 'user=ada; visits=2' })).status).toBe(204)
    expect(asked).toBe(2)
    expect((await client.post(ping, { Cookie: 'user=bob' })).status).toBe(403)
    expect((await client.post(ping, { Cookie: 'visits=3' })).status).toBe(403)
  })

  it.each([
    ['another origin', { Origin: 'https://evil.example' }, 403],
    ['no origin of a web page', { Origin: 'null' }, 403],
    ['the same host', { Origin: 'SAME' }, 200],
    ['no page', {}, 200],
    ['an image on another site', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['the same origin, without Origin', { 'Sec-Fetch-Site': 'same-origin' }, 200],
  ])('read it from a page is checked: %s', async (__, headers: Record<string, string>, status) => {
    const { port, url } = await startSseServer()
    const sent = { ...headers }
    if (sent['Origin'] === 'SAME') sent['Origin'] = `http://127.0.0.1:${port}`
    // fetch forbids some of these headers to a page, and undici does as well.
    const request = httpRequest(url, { headers: sent }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(status)
    request.destroy()
  })

  it('send from a page is checked, too', async () => {
    const { url } = await startSseServer()
    const client = await SseClient.ready(url)
    const post = await client.post(JSON.stringify({ t: 'subscribe', topics: [{ topic: 'a' }] }), {
      Origin: 'https://evil.example',
    })
    expect(post.status).toBe(403)
    expect(await client.settled()).toEqual({})
  })

  it('are told of when they are refused, once for each origin', async () => {
    const { url, port, errors } = await startSseServer({
      handle: { allowedOrigins: ['https://app.example'] },
    })
    for (const method of ['OPTIONS', 'OPTIONS', 'POST']) {
      const response = await fetch(url, { method, headers: { Origin: 'https://shop.example' } })
      expect(response.status).toBe(403)
    }
    const details = { origin: 'https://shop.example', host: `127.0.0.1:${port}` }
    expect(errors).toMatchObject([{ code: 'origin-refused', details }])
    expect(errors[0]!.message).toContain(
      "sseHandler(server, { allowedOrigins: […, 'https://shop.example'] })",
    )
  })

  it('read it from a listed origin gets the headers that a browser wants, and asks before', async () => {
    const { url } = await startSseServer({ handle: { allowedOrigins: ['https://app.example'] } })
    const Origin = 'https://app.example'
    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: { Origin, 'Access-Control-Request-Headers': 'authorization,realtime-connection' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization,realtime-connection')
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET, POST')
    const client = await SseClient.ready(url, { Origin })
    expect(client.response.headers.get('access-control-allow-origin')).toBe(Origin)
    expect(client.response.headers.get('access-control-allow-credentials')).toBe('true')
    expect(client.response.headers.get('vary')).toBe('Origin')
    const evil = await fetch(url, { method: 'OPTIONS', headers: { Origin: 'https://evil.example' } })
    expect(evil.status).toBe(403)
    expect(evil.headers.get('access-control-allow-origin')).toBeNull()
  })

  it('read it from any page comes without cookies', async () => {
    const { url } = await startSseServer({ handle: { allowedOrigins: 'any' } })
    const client = await SseClient.ready(url, { Origin: 'https://anywhere.example' })
    expect(client.response.headers.get('access-control-allow-origin')).toBe('*')
    expect(client.response.headers.get('access-control-allow-credentials')).toBeNull()
  })
})

describe('a POST', () => {
  it('for a stream that is not there is answered with 410', async () => {
    const { url } = await startSseServer()
    expect((await fetch(url, { method: 'POST', body: '{"t":"ping"}' })).status).toBe(410)
    const client = await SseClient.ready(url)
    expect(
      (await client.post('{"t":"ping"}', { 'Realtime-Connection': `${client.connection.id}x` })).status,
    ).toBe(410)
  })

  it('that is too large is answered with 413, and not read to its end', async () => {
    const { url } = await startSseServer({ limits: { maxPayloadBytes: 1_000 } })
    const client = await SseClient.ready(url)
    expect((await client.post(' '.repeat(1_001))).status).toBe(413)
    expect((await client.post(' '.repeat(1_000))).status).toBe(204)
    await client.settled()
  })

  it('that holds no message is told so on the stream', async () => {
    const { url, errors } = await startSseServer()
    const client = await SseClient.ready(url)
    expect((await client.post('nonsense\n')).status).toBe(204)
    expect(await client.next('error')).toMatchObject({ code: 'bad-message' })
    expect((await client.post(new Uint8Array([0xff, 0xfe]))).status).toBe(204)
    expect(await client.next('error')).toMatchObject({ code: 'bad-message' })
    expect(errors.map(({ code }) => code)).toEqual(['undecodable', 'undecodable'])
  })

  it('of too many messages closes the stream', async () => {
    const { url } = await startSseServer({ limits: { maxMessagesPerSecond: 5 } })
    const client = await SseClient.ready(url)
    await client.post('{"t":"ping"}\n'.repeat(50))
    expect(await client.named('close')).toMatchObject({ code: 4429 })
    expect((await client.post('{"t":"ping"}')).status).toBe(410)
  })
})

it('answers other methods with 405', async () => {
  const { url } = await startSseServer()
  const response = await fetch(url, { method: 'DELETE' })
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toBe('GET, POST, OPTIONS')
})

it('answers a request with a hostile Host or URL with 400, and serves the next', async () => {
  const { url, port } = await startSseServer()
  const socket = connect(port, '127.0.0.1')
  socket.write('GET //[ HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  expect(answer).toMatch(/^HTTP\/1.1 400 /)
  await SseClient.ready(url)
})

it('serves HTTP/2 as well, through nodeListener', async () => {
  const server = createRealtimeServer({ authenticate: ({ token }) => token ?? null, authorize: () => true })
  const listener = nodeListener(sseHandler(server))
  const http = createHttp2Server((request, response) => {
    listener(request as unknown as IncomingMessage, response as unknown as ServerResponse)
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const session = connectHttp2(origin)
  onTestFinished(() => {
    session.destroy()
    http.close()
  })
  // With an Origin, so that the host must be known, which HTTP/2 calls by another name.
  const stream = session.request({ ':path': '/events?topic=a', authorization: 'Bearer ada', origin })
  const [head] = (await once(stream, 'response')) as [Record<string, unknown>]
  expect(head).toMatchObject({ ':status': 200, 'content-type': 'text/event-stream' })
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    if (text.includes('"subscribed"')) break
  }
  expect(text).toContain('event: connection\n')
})

it('cuts a client that does not read, and brings it up to date when it is back', async () => {
  const limits = { maxBufferedBytes: 100_000, slowConsumerMs: 50 }
  const { url, port, server, open } = await startSseServer({ limits })
  const first = await SseClient.ready(`${url}?topic=a`)
  const { position } = await first.next('subscribed')
  first.close()
  while (open.size > 0) await new Promise((resolve) => setImmediate(resolve))
  const lazy = connect(port, '127.0.0.1')
  lazy.write(`GET /events?topic=a HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  await once(lazy, 'readable') // And is read no further.
  const isClosed = once(lazy, 'close')
  const data = { n: 0, padding: 'x'.repeat(20_000) }
  for (let n = 1; open.size > 0 || n === 1; n++) {
    await server.publish('a', { type: 'noted', data: { ...data, n } })
    await new Promise((resolve) => setImmediate(resolve))
  }
  lazy.resume()
  lazy.on('error', () => {})
  await isClosed
  const back = await SseClient.ready(`${url}?topic=a`, { 'Last-Event-ID': formatPositions({ a: position }) })
  expect(['replayed', 'reset']).toContain((await back.next('subscribed')).outcome)
  expect(await back.settled()).toEqual(await server.position(['a']))
})

it('needs a heartbeat that is a time', () => {
  const server = createRealtimeServer({ authenticate: () => ({}), authorize: () => true })
  expect(() => sseHandler(server, { heartbeatMs: 0 })).toThrow(/heartbeatMs/)
  expect(() => sseHandler(server, { allowedOrigins: ['https://a.example/path'] })).toThrow(/exact origins/)
})
