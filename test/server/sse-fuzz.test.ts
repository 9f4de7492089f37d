import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createRealtimeServer, sseHandler } from '../../src/server/index.ts'

const URL_BASE = 'http://localhost/events'

function createHandler() {
  const open = new Set<unknown>()
  const server = createRealtimeServer({
    authenticate: ({ token }) => (token === 'nobody' ? null : { user: token ?? 'guest' }),
    authorize: ({ topic }) => topic !== 'secret',
    onError: () => {},
    logger: {
      debug(message, { connectionId }) {
        if (message === 'connection opened') open.add(connectionId)
        if (message === 'connection closed') open.delete(connectionId)
      },
    },
  })
  return { handler: sseHandler(server), server, open }
}

/** Opens a stream, and gives its name and its reader. */
async function openStream(handler: ReturnType<typeof sseHandler>) {
  const response = await handler(new Request(URL_BASE))
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const first = new TextDecoder().decode((await reader.read()).value)
  return { reader, id: /"id":"([^"]+)"/.exec(first)![1]! }
}

/** What a header may hold. */
const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
  maxLength: 60,
})

const almostMessage = fc.oneof(
  fc.json(),
  fc.string(),
  fc.constantFrom(
    '{"t":"ping"}',
    '{"t":"hello"}',
    '{"t":"subscribe","topics":[{"topic":"__proto__"}]}',
    '{"t":"subscribe","topics":[{"topic":"secret","position":{"epoch":"","offset":-1}}]}',
    '{"t":"unsubscribe","topics":["constructor"]}',
    '{"__proto__":{"t":"ping"}}',
    '[[[[[[[[',
    '\u2028',
    '\0',
  ),
)

it('answers whatever is asked, holds no stream of what has ended, and goes on serving', async () => {
  const { handler, server, open } = createHandler()
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        method: fc.constantFrom('GET', 'POST', 'OPTIONS', 'PUT', 'HEAD'),
        query: fc.oneof(fc.string(), fc.webQueryParameters()),
        headers: fc.array(
          fc.tuple(
            fc.constantFrom(
              'Authorization',
              'Last-Event-ID',
              'Realtime-Connection',
              'Realtime-Client',
              'Origin',
              'Host',
              'Cookie',
              'Sec-Fetch-Site',
              'Access-Control-Request-Headers',
            ),
            headerText,
          ),
          { maxLength: 4 },
        ),
        body: fc.uint8Array({ maxLength: 100 }),
      }),
      async ({ method, query, headers, body }) => {
        const url = new URL(URL_BASE)
        url.search = query
        const hasBody = method === 'POST' || method === 'PUT'
        const request = new Request(url, { method, headers, ...(hasBody && { body }) })
        const response = await handler(request)
        expect(response.status).toBeLessThan(500)
        await response.body?.cancel()
      },
    ),
    { numRuns: 2_000 },
  )
  expect(open.size).toBe(0)
  const { reader } = await openStream(handler)
  await reader.cancel()
  await server.close({ graceMs: 0 })
})

it('takes whatever is posted to a stream, and tells of it there or ends it', async () => {
  const { handler, open } = createHandler()
  await fc.assert(
    fc.asyncProperty(fc.array(almostMessage, { maxLength: 8 }), async (lines) => {
      const { reader, id } = await openStream(handler)
      const post = (body: string) =>
        handler(new Request(URL_BASE, { method: 'POST', body, headers: { 'Realtime-Connection': id } }))
      expect((await post(lines.join('\n'))).status).toBe(204)
      expect([204, 410]).toContain((await post('{"t":"ping"}')).status)
      await reader.cancel()
    }),
    { numRuns: 500 },
  )
  expect(open.size).toBe(0)
})

it('does not fail when a message breaks off', async () => {
  const { handler } = createHandler()
  const { reader, id } = await openStream(handler)
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"t":"subscribe",'))
    },
    pull(controller) {
      controller.error(new Error('reset'))
    },
  })
  const request = new Request(URL_BASE, {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { 'Realtime-Connection': id },
  } as RequestInit)
  expect((await handler(request)).status).toBe(400)
  await reader.cancel()
})
