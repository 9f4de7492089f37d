import { RateLimiterMemory } from 'rate-limiter-flexible'
import { describe, expect, it } from 'vitest'
import { SendError, type SentMessage } from '../../src/server/index.ts'
import { settle, startManual } from './manual.ts'

const CANARY = 'SELECT canary FROM secrets'

describe('a send', () => {
  it('reaches the handler with who sent it, and is answered with what the handler gives', async () => {
    const heard: SentMessage<{ user: string }>[] = []
    const { connect } = startManual({
      onSend: (message) => {
        heard.push(message)
        return { version: 3 }
      },
    })
    const ada = await connect('ada', 'c1')
    ada.send({ t: 'send', id: 's-1', topic: 't', type: 'move', data: { to: 'done' } })
    expect(await ada.take()).toEqual([{ t: 'ack', id: 's-1', data: { version: 3 } }])
    expect(heard).toEqual([
      {
        identity: { user: 'ada' },
        connectionId: ada.connectionId,
        clientId: 'c1',
        id: 's-1',
        type: 'move',
        topic: 't',
        data: { to: 'done' },
      },
    ])
  })

  it('is handled after the one before it, and so is its answer', async () => {
    const finish = new Map<string, () => void>()
    const begun: string[] = []
    const { connect } = startManual({
      onSend: ({ id }) => {
        begun.push(id)
        return new Promise<void>((resolve) => finish.set(id, resolve))
      },
    })
    const ada = await connect('ada')
    for (const id of ['1', '2', '3'])
      ada.send({ t: 'send', id, type: 'x', ...(id === '2' && { topic: 't' }) })
    await settle()
    expect(begun).toEqual(['1'])
    for (const id of ['1', '2', '3']) {
      finish.get(id)!()
      await settle()
    }
    expect(begun).toEqual(['1', '2', '3'])
    expect((await ada.takeAll('ack')).map(({ id }) => id)).toEqual(['1', '2', '3'])
  })

  it("is answered with the app's own error", async () => {
    const { connect, errors } = startManual({
      onSend: ({ type }) => {
        throw type === 'later'
          ? new SendError('busy', 'Somebody else moves it.', { retryAfterMs: 500 })
          : new SendError('conflict', 'Somebody else has moved it.')
      },
    })
    const ada = await connect('ada')
    ada.send({ t: 'send', id: '1', type: 'now' })
    ada.send({ t: 'send', id: '2', type: 'later' })
    expect(await ada.take()).toEqual([
      { t: 'error', id: '1', code: 'conflict', message: 'Somebody else has moved it.' },
      { t: 'error', id: '2', code: 'busy', message: 'Somebody else moves it.', retryAfterMs: 500 },
    ])
    expect(errors).toEqual([])
  })

  it('S13 tells nothing of what went wrong inside; the app hears of it', async () => {
    const { connect, errors, server } = startManual({
      onSend: ({ type }) => {
        if (type === 'not JSON') return { big: 1n }
        throw new Error(CANARY)
      },
    })
    const ada = await connect('ada')
    ada.send({ t: 'send', id: '1', type: 'x' })
    ada.send({ t: 'send', id: '2', type: 'not JSON' })
    const told = await ada.take()
    expect(told).toMatchObject([
      { t: 'error', id: '1', code: 'unavailable' },
      { t: 'error', id: '2', code: 'unavailable' },
    ])
    expect(JSON.stringify(told)).not.toMatch(/canary|BigInt|at /)
    expect(errors).toMatchObject([{ code: 'callback-failed' }, { code: 'callback-failed' }])
    expect(server.stats()).toMatchObject({ sends: 2, sendErrors: 2 })
  })

  it('is refused where there is no handler, and where it is not allowed', async () => {
    const none = await startManual().connect('ada')
    none.send({ t: 'send', id: '1', type: 'x' })
    expect(await none.take()).toMatchObject([{ t: 'error', id: '1', code: 'unsupported' }])
    let isHandled = false
    const { connect } = startManual({ onSend: () => (isHandled = true), authorize: () => false })
    const ada = await connect('ada')
    ada.send({ t: 'send', id: '1', type: 'x', topic: 'secret' })
    expect(await ada.take()).toMatchObject([{ t: 'error', id: '1', code: 'forbidden' }])
    expect(isHandled).toBe(false)
  })

  it('is refused beyond maxPendingSends, and when its id is too long', async () => {
    let finish = () => {}
    const { connect } = startManual({
      limits: { maxPendingSends: 2 },
      onSend: () => new Promise<void>((resolve) => (finish = resolve)),
    })
    const ada = await connect('ada')
    for (const id of ['1', '2', '3']) ada.send({ t: 'send', id, type: 'x' })
    ada.send({ t: 'send', id: 'x'.repeat(129), type: 'x' })
    expect(await ada.take()).toMatchObject([
      { t: 'error', id: '3', code: 'limit', retryAfterMs: 1_000 },
      { t: 'error', code: 'invalid' },
    ])
    finish()
    await settle()
    finish()
    expect((await ada.takeAll('ack')).map(({ id }) => id)).toEqual(['1', '2'])
  })

  it('is put off with the one before it, whenever it arrives, until that one is taken', async () => {
    const taken: string[] = []
    let isBusy = true
    const { connect } = startManual({
      onSend: ({ id }) => {
        if (isBusy) throw new SendError('limit', 'Slowly.', { retryAfterMs: 5 })
        taken.push(id)
      },
    })
    const ada = await connect('ada')
    const send = (id: string, after?: string) => {
      ada.send({ t: 'send', id, type: 'x', after })
    }
    send('1')
    send('2', '1')
    await settle()
    isBusy = false
    send('3', '2') // Was on its way: the client does not know yet.
    await settle()
    const answers = await ada.takeAll('error')
    expect(answers).toMatchObject(['1', '2', '3'].map((id) => ({ id, code: 'limit', retryAfterMs: 5 })))
    send('1')
    send('2', '1')
    send('3', '2')
    expect((await ada.takeAll('ack')).map(({ id }) => id)).toEqual(['1', '2', '3'])
    expect(taken).toEqual(['1', '2', '3'])
  })

  it('does not wait for one that was refused for good, or that its client has given up', async () => {
    const { connect } = startManual({
      onSend: ({ id }) => {
        if (id === '1') throw new SendError('limit', 'Slowly.', { retryAfterMs: 5 })
        if (id === '2') throw new SendError('invalid', 'Never.')
      },
    })
    const ada = await connect('ada')
    ada.send({ t: 'send', id: '1', type: 'x' })
    ada.send({ t: 'send', id: '2', type: 'x' })
    ada.send({ t: 'send', id: '3', type: 'x', after: '2' })
    ada.send({ t: 'send', id: '4', type: 'x' })
    expect((await ada.takeAll('ack')).map(({ id }) => id)).toEqual(['3', '4'])
  })

  it('is given up when the handler gives no answer in time, and the next one is handled', async () => {
    const { connect, time, errors } = startManual({
      limits: { sendTimeoutMs: 1_000 },
      onSend: ({ id }) => (id === '1' ? new Promise(() => {}) : 'done'),
    })
    const ada = await connect('ada')
    ada.send({ t: 'send', id: '1', type: 'x' })
    ada.send({ t: 'send', id: '2', type: 'x' })
    await settle()
    time.advance(1_000)
    expect(await ada.take()).toMatchObject([
      { t: 'error', id: '1', code: 'unavailable' },
      { t: 'ack', id: '2', data: 'done' },
    ])
    expect(errors).toMatchObject([{ code: 'callback-failed' }])
  })

  it('does not begin when the connection is gone', async () => {
    const begun: string[] = []
    let finish = () => {}
    const { connect } = startManual({
      onSend: ({ id }) => {
        begun.push(id)
        return new Promise<void>((resolve) => (finish = resolve))
      },
    })
    const ada = await connect('ada')
    ada.send({ t: 'send', id: '1', type: 'x' })
    ada.send({ t: 'send', id: '2', type: 'x' })
    await settle()
    ada.lose()
    finish()
    await settle()
    expect(begun).toEqual(['1'])
    expect(await ada.take()).toEqual([])
  })

  it('does not begin when the connection goes while it is being authorized', async () => {
    let allow = (_: boolean) => {}
    let isBegun = false
    const { connect } = startManual({
      authorize: () => new Promise<boolean>((resolve) => (allow = resolve)),
      onSend: () => (isBegun = true),
    })
    const ada = await connect('ada')
    ada.send({ t: 'send', id: '1', type: 'x', topic: 't' })
    await settle()
    ada.lose()
    allow(true)
    await settle()
    expect(isBegun).toBe(false)
  })

  it.each([
    [1_500.2, 1_501],
    [-1, undefined],
    [NaN, undefined],
    [Infinity, undefined],
  ])('is told a time of %s ms as %s, which every client can read', async (retryAfterMs, told) => {
    const { connect } = startManual({
      onSend: () => {
        throw new SendError('busy', 'Later.', { retryAfterMs })
      },
    })
    const ada = await connect('ada')
    ada.send({ t: 'send', id: '1', type: 'x' })
    expect(await ada.takeAll('error')).toEqual([
      { t: 'error', id: '1', code: 'busy', message: 'Later.', ...(told && { retryAfterMs: told }) },
    ])
  })

  it('S7 is limited by a limiter that nodes share, by user', async () => {
    const sends = new RateLimiterMemory({ points: 3, duration: 60 })
    const { connect } = startManual({ rateLimiters: { sends }, onSend: () => {} })
    const [one, two] = [await connect('ada', '1'), await connect('ada', '2')]
    for (const id of ['1', '2']) one.send({ t: 'send', id, type: 'x' })
    await settle()
    for (const id of ['3', '4']) two.send({ t: 'send', id, type: 'x' })
    const [ack, error] = await two.take()
    expect(ack).toMatchObject({ t: 'ack', id: '3' })
    expect(error).toMatchObject({ t: 'error', id: '4', code: 'limit', retryAfterMs: expect.any(Number) })
    const bob = await connect('bob')
    bob.send({ t: 'send', id: '1', type: 'x' })
    expect(await bob.takeAll('ack')).toHaveLength(1)
  })
})
