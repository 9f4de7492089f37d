import { describe, expect, it, vi } from 'vitest'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'

const handlers = () => ({ onOpen: vi.fn(), onMessage: vi.fn(), onClose: vi.fn(), onError: vi.fn() })

describe('createFakeTransport', () => {
  it('does nothing by itself', () => {
    const transport = createFakeTransport()
    const heard = handlers()
    transport.connect(heard)
    expect(transport.connection.state).toBe('connecting')
    expect(heard.onOpen).not.toHaveBeenCalled()
  })

  it('is worked from the side of the server', () => {
    const transport = createFakeTransport()
    const heard = handlers()
    const connection = transport.connect(heard)
    transport.connection.open()
    connection.send('{"t":"ping"}')
    connection.send('not JSON')
    transport.connection.deliver({ t: 'pong' }, 'raw')
    transport.connection.fail('why')
    transport.connection.end({ code: 1001 })
    expect(transport.connection.sent).toEqual([{ t: 'ping' }, 'not JSON'])
    expect(heard.onMessage.mock.calls).toEqual([['{"t":"pong"}'], ['raw']])
    expect(heard.onError).toHaveBeenCalledWith('why')
    expect(heard.onClose).toHaveBeenCalledWith({ code: 1001, reason: '' })
  })

  it('keeps every connection, and how the client closed it', () => {
    const transport = createFakeTransport({ name: 'mine', mode: 'managed' })
    transport.connect(handlers()).close(4900, 'silent')
    transport.connect(handlers())
    expect(transport).toMatchObject({ name: 'mine', mode: 'managed' })
    expect(transport.connections.map(({ state }) => state)).toEqual(['closed', 'connecting'])
    expect(transport.connections[0]!.closedWith).toEqual({ code: 4900, reason: 'silent' })
  })

  it('throws at what no transport does', () => {
    const transport = createFakeTransport()
    expect(() => transport.connection).toThrow('Start the bridge first')
    const connection = transport.connect(handlers())
    expect(() => connection.send('x')).toThrow('connecting')
    expect(() => transport.connection.deliver('x')).toThrow('connecting')
    connection.close()
    expect(() => transport.connection.end()).toThrow('closed')
    expect(() => transport.connection.open()).toThrow('closed')
  })
})
