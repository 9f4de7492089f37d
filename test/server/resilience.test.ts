import { describe, expect, it, vi } from 'vitest'
import { type RealtimeError } from '../../src/core/errors.ts'
import { createRealtimeServer, memoryEventLog, type RealtimeServerOptions } from '../../src/server/index.ts'

/** What apps pass where nothing is to be returned. */
const rejecting = (message: string) => (): void => Promise.reject(new Error(message)) as never

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Until what was published is written: the turn after it, and one in which nothing more was published. */
const written = async () => {
  await turn()
  await turn()
}

/** A client behind a socket that the test makes misbehave. */
async function startWith(options: Partial<RealtimeServerOptions<object>> = {}) {
  const errors: RealtimeError[] = []
  const server = createRealtimeServer({
    log: memoryEventLog({ epoch: 'e' }),
    authenticate: () => ({}),
    authorize: () => true,
    onError: (error) => errors.push(error),
    ...options,
  })
  const open = async () => {
    const frames: string[] = []
    const closes: number[] = []
    const socket = {
      send: (frame: string): void => void frames.push(frame),
      close: (code: number): void => void closes.push(code),
    }
    const connection = server.opened(socket, { headers: {} })
    connection.message('{"t":"hello"}')
    await turn()
    connection.message('{"t":"subscribe","topics":[{"topic":"t"}]}')
    await turn()
    return { frames, closes, socket, connection }
  }
  return { server, errors, open }
}

describe('createRealtimeServer', () => {
  it('closes a socket that fails to send, reports it, and serves the others', async () => {
    const { server, errors, open } = await startWith()
    const [broken, fine] = [await open(), await open()]
    broken.socket.send = () => {
      throw new Error('EPIPE')
    }
    await server.publish('t', { type: 'a' })
    await written()
    expect(broken.closes).toEqual([4500])
    expect(errors).toMatchObject([{ code: 'transport-failed', cause: { message: 'EPIPE' } }])
    expect(fine.frames.at(-1)).toContain('"type":"a"')
  })

  it('reports a socket that fails to close, and has let go of it', async () => {
    const { server, errors, open } = await startWith()
    const client = await open()
    client.socket.close = () => {
      throw new Error('gone')
    }
    client.connection.message('{"t":"hello"}')
    expect(errors).toMatchObject([{ code: 'transport-failed', cause: { message: 'gone' } }])
    await server.publish('t', { type: 'a' })
    await written()
    expect(client.frames.join()).not.toContain('"type":"a"')
  })

  it('says nothing to a socket that is closed, whatever comes in later', async () => {
    const { server, open } = await startWith()
    const client = await open()
    client.connection.closed(1006, '')
    const before = client.frames.length
    client.connection.message('{"t":"ping"}')
    client.connection.closed(1006, '')
    await server.publish('t', { type: 'a' })
    await written()
    expect(client.frames).toHaveLength(before)
    expect(client.closes).toEqual([])
  })

  it('goes on when onError throws, and says both errors on the console', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {})
    const { server, open } = await startWith({
      onError: () => {
        throw new Error('from onError')
      },
    })
    const client = await open()
    client.connection.message('?')
    expect(said.mock.calls).toMatchObject([[{ code: 'undecodable' }], [{ message: 'from onError' }]])
    await server.publish('t', { type: 'a' })
    await written()
    expect(client.frames.at(-1)).toContain('"type":"a"')
  })

  it('goes on when an async onError rejects, and an async logger', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {})
    const { server, open } = await startWith({
      onError: rejecting('from onError'),
      logger: { debug: rejecting('from the logger') },
    })
    const client = await open()
    await turn()
    expect(said.mock.calls.flat()).toMatchObject([
      { code: 'listener-failed', cause: { message: 'from the logger' } },
      { message: 'from onError' },
    ])
    await server.publish('t', { type: 'a' })
    while (!client.frames.at(-1)?.includes('"type":"a"')) await turn()
  })

  it('says errors on the console when there is no onError', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {})
    const { open } = await startWith({ onError: undefined })
    const client = await open()
    client.connection.message('?')
    expect(said.mock.calls).toMatchObject([[{ code: 'undecodable' }]])
  })

  it('goes on when the logger throws, and reports it', async () => {
    const { errors, open } = await startWith({
      logger: {
        debug() {
          throw new Error('disk full')
        },
      },
    })
    const client = await open()
    expect(client.frames).toHaveLength(2)
    expect(errors).toMatchObject([{ code: 'listener-failed', cause: { message: 'disk full' } }])
  })

  it('closes a connection whose address cannot be told, reports it, and leaves nothing behind', async () => {
    const { server, errors } = await startWith({
      clientAddress: ({ headers }) => headers['x-forwarded-for']!.toString(),
    })
    const closes: number[] = []
    const socket = { send: () => {}, close: (code: number) => void closes.push(code) }
    server.opened(socket, { headers: {} }).closed(4500, '')
    expect(closes).toEqual([4500])
    expect(errors).toMatchObject([{ code: 'callback-failed', cause: { name: 'TypeError' } }])
    server.opened(socket, { headers: { 'x-forwarded-for': '192.0.2.1' } })
    expect(server.stats()).toMatchObject({ connections: 1, addresses: 1 })
  })

  it.each([NaN, '2030-01-01'])(
    'lets nobody in for good whose expiresAt is no time (%s), and reports it',
    async (time) => {
      const { errors, open } = await startWith({ expiresAt: () => time as number })
      const client = await open()
      expect(client.closes).toEqual([4500])
      expect(errors).toMatchObject([
        { code: 'callback-failed', cause: { message: expect.stringContaining('expiresAt') as string } },
      ])
    },
  )
})
