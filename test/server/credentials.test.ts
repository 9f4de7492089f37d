import { describe, expect, it } from 'vitest'
import { tokenExpired } from '../../src/server/index.ts'
import { settle, startManual } from './manual.ts'

const CANARY = 'canary-7f3a'

/** Tokens are `user`, or `user:` and when they end. */
const expiring = {
  authenticate: ({ token = '' }: { token: string | undefined }) => {
    const [user = '', expiresAt] = token.split(':')
    if (user === '') return null
    if (user === 'old') return tokenExpired
    return expiresAt === undefined ? { user } : { user, expiresAt: Number(expiresAt) }
  },
  expiresAt: ({ expiresAt }: { expiresAt?: number }) => expiresAt,
}

describe('a credential on an open connection', () => {
  it('is announced before its end, renewed in place, and nothing is lost', async () => {
    const { connect, server, time } = startManual(expiring)
    const ada = await connect('ada:100000')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    time.advance(69_000)
    expect(await ada.take()).toEqual([])
    time.advance(2_000)
    expect(await ada.take()).toEqual([{ t: 'token-expires', inMs: 30_000 }])
    ada.send({ t: 'auth', token: 'ada:500000' })
    expect(await ada.take()).toEqual([{ t: 'authed' }])
    time.advance(100_000)
    await server.publish('t', { type: 'a' })
    expect(await ada.take()).toMatchObject([{ t: 'events' }])
    expect(ada.socket.closedWith).toBeUndefined()
  })

  it('closes the connection with 4402 when it has ended', async () => {
    const { connect, time } = startManual(expiring)
    const ada = await connect('ada:50000')
    time.advance(52_000)
    expect(await ada.take()).toMatchObject([{ t: 'token-expires' }])
    expect(ada.socket.closedWith).toEqual({ code: 4402, reason: 'token expired' })
  })

  it('that has ended already is not let in', async () => {
    const { open, time } = startManual(expiring)
    time.advance(1_000)
    const ada = open()
    ada.send({ t: 'hello', token: 'ada:1000' })
    await settle()
    expect(ada.socket.closedWith).toEqual({ code: 4402, reason: 'token expired' })
  })

  it.each([
    ['bob', 4401, 'another user'],
    ['', 4401, 'not authenticated'],
    ['old', 4402, 'token expired'],
  ])('may not become %j', async (token, code, reason) => {
    const { connect } = startManual(expiring)
    const ada = await connect('ada')
    ada.send({ t: 'auth', token })
    await settle()
    expect(ada.socket.closedWith).toEqual({ code, reason })
  })

  it('may not become another one where users have no names', async () => {
    const { connect } = startManual({
      authenticate: ({ token = '' }) => ({ user: token }),
      userId: () => undefined,
    })
    const ada = await connect('ada')
    ada.send({ t: 'auth', token: 'ada' })
    expect(await ada.take()).toEqual([{ t: 'authed' }])
    ada.send({ t: 'auth', token: 'bob' })
    await settle()
    expect(ada.socket.closedWith).toEqual({ code: 4401, reason: 'another user' })
  })

  it('that may do less ends what it may not', async () => {
    const { connect, server } = startManual({
      authenticate: ({ token = '' }) => ({ user: 'ada', role: token }),
      authorize: ({ identity, topic }) =>
        topic === 'open' || ('role' in identity && identity.role === 'admin'),
    })
    const ada = await connect('admin')
    ada.send({ t: 'subscribe', topics: [{ topic: 'open' }, { topic: 'secret' }] })
    ada.send({ t: 'signal', topic: 'secret', type: 'x' })
    expect((await ada.take()).map(({ t }) => t)).toEqual(['subscribed', 'subscribed'])
    ada.send({ t: 'auth', token: 'guest' })
    expect(await ada.take()).toMatchObject([{ t: 'authed' }, { t: 'revoked', topic: 'secret' }])
    await server.publish('secret', { type: 'a' })
    expect(await ada.take()).toEqual([])
    ada.send({ t: 'signal', topic: 'secret', type: 'x' })
    expect(await ada.take()).toMatchObject([{ t: 'error', code: 'forbidden' }])
  })

  it('stays in force when the new one cannot be checked now', async () => {
    let isBroken = false
    const { connect, errors } = startManual({
      authenticate: ({ token = '' }) => {
        if (isBroken) throw new Error(`no database for ${token.length}`)
        return { user: token }
      },
    })
    const ada = await connect('ada')
    isBroken = true
    ada.send({ t: 'auth', token: 'ada' })
    expect(await ada.take()).toMatchObject([{ t: 'error', code: 'unavailable' }])
    expect(ada.socket.closedWith).toBeUndefined()
    expect(errors).toMatchObject([{ code: 'callback-failed' }])
  })

  it('is the newest one, and is asked about when the one before it is answered', async () => {
    const answers = new Map<string, () => void>()
    const { connect } = startManual({
      authenticate: ({ token = '', previous }) => {
        const identity = { user: 'ada', token }
        return previous ? new Promise((resolve) => answers.set(token, () => resolve(identity))) : identity
      },
      authorize: ({ identity, topic }) => 'token' in identity && identity.token === topic,
    })
    const ada = await connect('first')
    ada.send({ t: 'auth', token: 'second' })
    ada.send({ t: 'auth', token: 'third' })
    expect([...answers.keys()]).toEqual(['second'])
    answers.get('second')!()
    await settle()
    answers.get('third')!()
    expect(await ada.take()).toEqual([{ t: 'authed' }])
    ada.send({ t: 'subscribe', topics: [{ topic: 'third' }, { topic: 'second' }] })
    const told = await ada.take()
    expect(told.find(({ t }) => t === 'subscribed')).toMatchObject({ topic: 'third' })
    expect(told.find(({ t }) => t === 'refused')).toMatchObject({ topic: 'second' })
  })
})

describe('the name of a user', () => {
  it('may be given as a number, as keys of rows are', async () => {
    const { connect, server } = startManual({ userId: ({ user }) => user.length as never })
    const ada = await connect('ada')
    ada.send({ t: 'presence-join', topic: 'room', state: {} })
    expect(await ada.takeAll('presence-state')).toMatchObject([{ members: [{ user: '3' }] }])
    server.revoke({ user: '3' })
    expect(ada.socket.closedWith).toMatchObject({ code: 4403 })
  })

  it.each([[null], [''], [undefined]])(
    'is none when it is %s, and its clients share nothing',
    async (name) => {
      const { connect, server } = startManual({
        userId: () => name as never,
        limits: { maxConnectionsPerUser: 1 },
      })
      const [one, two] = [await connect('one', 'same'), await connect('two', 'same')]
      for (const { send } of [one, two]) send({ t: 'presence-join', topic: 'room', state: {} })
      await settle()
      expect(server.presence('room').map(({ user }) => user)).toEqual([undefined, undefined])
      one.send({ t: 'auth', token: 'two' })
      await settle()
      expect(one.socket.closedWith).toMatchObject({ code: 4401 })
    },
  )

  it('lets nobody in when it is anything else, and says so', async () => {
    const { open, errors } = startManual({ userId: () => ({}) as never })
    const client = open()
    client.send({ t: 'hello', token: 'ada' })
    await settle()
    expect(client.socket.closedWith).toMatchObject({ code: 4500 })
    expect(String(errors[0]?.cause)).toContain('userId must give')
  })
})

describe('S2 a token', () => {
  it('is never logged, reported, sent back or told to others', async () => {
    const { open, connect, errors, logs, server } = startManual({
      authenticate: ({ token = '' }) => {
        if (token.includes('broken')) throw new Error('no database')
        return token.includes('bad') ? null : { user: 'ada' }
      },
    })
    const told: unknown[] = []
    for (const token of [`bad-${CANARY}`, `broken-${CANARY}`]) {
      const client = open()
      client.send({ t: 'hello', token })
      told.push(await client.take(), client.socket.closedWith)
    }
    for (const frame of [
      `{"t":"hello","token":["${CANARY}"]}`,
      `{"t":"hello","token":"${CANARY}"`,
      `{"t":"auth","token":{"${CANARY}":1}}`,
    ]) {
      for (const client of [open(), await connect(CANARY)]) {
        client.raw(frame)
        told.push(await client.take(), client.socket.closedWith)
      }
    }
    const ada = await connect(CANARY)
    ada.send({ t: 'auth', token: `broken-${CANARY}` })
    ada.send({ t: 'auth', token: CANARY })
    ada.send({ t: 'hello', token: CANARY })
    told.push(await ada.take(), ada.socket.closedWith, server.stats(), await server.health())
    const reported = errors.map(({ message, details, cause, stack }) => [
      message,
      details,
      String(cause),
      stack,
    ])
    expect(reported.length).toBeGreaterThan(3)
    expect(logs.length).toBeGreaterThan(10)
    expect(JSON.stringify([told, reported, logs])).not.toContain(CANARY)
  })
})
