import { describe, expect, it, vi } from 'vitest'
import {
  createRealtimeServer,
  parsePositions,
  POSITION_HEADER,
  positionHeader,
  positionMiddleware,
  withPosition,
} from '../../src/server/index.ts'

const createServer = () => createRealtimeServer({ authenticate: () => ({}), authorize: () => true })

describe('Realtime-Position', () => {
  it('says where topics stand', async () => {
    const server = createServer()
    await server.publish('board:1', { type: 'e' })
    const header = await positionHeader(server, ['board:1', 'user:ada'])
    expect({ ...parsePositions(header) }).toEqual(await server.position(['board:1', 'user:ada']))
  })

  it('is read before the state: what happens between the two comes as an event', async () => {
    const server = createServer()
    await server.publish('a', { type: 'e' })
    const before = await server.position(['a'])
    const response = await withPosition(server, ['a'], async () => {
      await server.publish('a', { type: 'e' })
      return Response.json({ rows: 2 })
    })
    expect(await response.json()).toEqual({ rows: 2 })
    expect({ ...parsePositions(response.headers.get(POSITION_HEADER)!) }).toEqual(before)
  })

  it('is set on responses that cannot be changed', async () => {
    const server = createServer()
    const response = await withPosition(server, ['a'], () => Response.redirect('https://example.com/'))
    expect(response.status).toBe(302)
    expect(response.headers.get(POSITION_HEADER)).toMatch(/^a=.+:0$/)
  })

  it('is set by a middleware before the route reads the state', async () => {
    const server = createServer()
    await server.publish('board:1', { type: 'e' })
    const set: string[] = []
    const middleware = positionMiddleware(server, ({ board }: { board?: string }) =>
      board === undefined ? undefined : [`board:${board}`],
    )
    const run = (request: { board?: string }) =>
      new Promise<unknown>((resolve) => {
        middleware(request, { setHeader: (...header) => set.push(header.join(': ')) }, resolve)
      })
    expect(await run({ board: '1' })).toBeUndefined()
    expect(set).toEqual([`Realtime-Position: ${await positionHeader(server, ['board:1'])}`])
    expect(await run({})).toBeUndefined()
    expect(set).toHaveLength(1)
  })

  it('is no reason to run a route when the log fails, or when nobody knows the topics', async () => {
    const down = { position: () => Promise.reject(new Error('log is down')) }
    const run = (middleware: ReturnType<typeof positionMiddleware>) =>
      new Promise<unknown>((resolve) => {
        middleware({}, { setHeader: () => undefined }, resolve)
      })
    expect(await run(positionMiddleware(down, () => ['a']))).toEqual(new Error('log is down'))
    const throwing = () => {
      throw new Error('no board')
    }
    expect(await run(positionMiddleware(down, throwing))).toEqual(new Error('no board'))
  })

  it('fails with the log, before the state is read', async () => {
    const respond = vi.fn(() => new Response())
    const server = { position: () => Promise.reject(new Error('log is down')) }
    await expect(withPosition(server, ['a'], respond)).rejects.toThrow('log is down')
    expect(respond).not.toHaveBeenCalled()
  })
})
