import { describe, expect, it } from 'vitest'
import { settle, startManual } from './manual.ts'

/** A function of the app that answers when the test says so. */
function held<T>() {
  const asked: { about: string; answer: (value: T) => void }[] = []
  return {
    asked,
    ask: (about: string) => new Promise<T>((answer) => asked.push({ about, answer })),
    get abouts() {
      return asked.map(({ about }) => about)
    },
  }
}

type Identity = { user: string } | null

function startHeld(limits = {}) {
  const app = held<Identity>()
  const manual = startManual({
    authenticate: ({ token = '' }) => app.ask(token),
    limits: { maxConcurrentAuthentications: 2, ...limits },
  })
  return {
    ...manual,
    app,
    hello(token: string) {
      const client = manual.open()
      client.send({ t: 'hello', token })
      return client
    },
  }
}

describe('everybody dials again at once', () => {
  it('asks authenticate about a few at a time, in their order, and welcomes all', async () => {
    const { app, hello } = startHeld()
    const clients = ['a', 'b', 'c', 'd', 'e'].map(hello)
    await settle()
    expect(app.abouts).toEqual(['a', 'b'])
    for (let n = 0; n < 5; n++) {
      app.asked[n]!.answer({ user: app.asked[n]!.about })
      await settle()
      expect(app.asked.length).toBe(Math.min(n + 3, 5))
    }
    expect(app.abouts).toEqual(['a', 'b', 'c', 'd', 'e'])
    for (const client of clients) expect(await client.take()).toMatchObject([{ t: 'welcome' }])
  })

  it('keeps the deadline of those who wait: 4408, and nobody is asked about them any more', async () => {
    const { app, hello, time, errors } = startHeld()
    const [, , waiting] = ['a', 'b', 'c'].map(hello)
    time.advance(9_999)
    expect(waiting!.socket.closedWith).toBeUndefined()
    time.advance(1)
    expect(waiting!.socket.closedWith).toMatchObject({ code: 4408 })
    const late = hello('late')
    await settle()
    expect(app.abouts).toEqual(['a', 'b', 'late'])
    app.asked[2]!.answer({ user: 'late' })
    expect(await late.take()).toMatchObject([{ t: 'welcome' }])
    // Those that were asked and never answered. Whoever was not asked has not failed.
    expect(errors.map(({ code, cause }) => [code, String(cause)])).toEqual(
      ['a', 'b'].map(() => ['callback-failed', expect.stringContaining('limits.helloTimeoutMs')]),
    )
  })

  it('asks no others while what it has asked is still at work, though nobody waits for it any more', async () => {
    const { app, hello, time } = startHeld()
    for (const token of ['a', 'b', 'c', 'd']) hello(token)
    time.advance(5_000)
    const patient = hello('e')
    time.advance(4_990)
    for (const n of [0, 1]) app.asked[n]!.answer(null)
    await settle()
    expect(app.abouts).toEqual(['a', 'b', 'c', 'd'])
    time.advance(10)
    await settle()
    expect(app.abouts).toEqual(['a', 'b', 'c', 'd'])
    app.asked[2]!.answer({ user: 'c' })
    await settle()
    expect(app.abouts).toEqual(['a', 'b', 'c', 'd', 'e'])
    app.asked[4]!.answer({ user: 'e' })
    expect(await patient.take()).toMatchObject([{ t: 'welcome' }])
  })

  it('asks nothing about clients that have left while they waited', async () => {
    const { app, hello } = startHeld()
    const [, , impatient] = ['a', 'b', 'c', 'd'].map(hello)
    await settle()
    impatient!.lose()
    app.asked[0]!.answer({ user: 'a' })
    await settle()
    expect(app.abouts).toEqual(['a', 'b', 'd'])
  })

  it('goes on when authenticate throws', async () => {
    const { open, errors } = startManual({
      authenticate: async ({ token = '' }) => {
        await Promise.resolve()
        if (token === 'bad') throw new Error('no database')
        return { user: token }
      },
      limits: { maxConcurrentAuthentications: 1 },
    })
    const clients = ['bad', 'good', 'bad', 'fine'].map((token) => {
      const client = open()
      client.send({ t: 'hello', token })
      return client
    })
    await settle()
    expect(clients.map(({ socket }) => socket.closedWith?.code)).toEqual([4500, undefined, 4500, undefined])
    expect(errors.map(({ code }) => code)).toEqual(['callback-failed', 'callback-failed'])
  })

  it('takes no place for an answer that comes at once', async () => {
    const app = held<Identity>()
    const { open } = startManual({
      authenticate: ({ token = '' }) => (token === 'slow' ? app.ask(token) : { user: token }),
      limits: { maxConcurrentAuthentications: 2 },
    })
    const clients = ['a', 'slow', 'b', 'c', 'd'].map((token) => {
      const client = open()
      client.send({ t: 'hello', token })
      return client
    })
    await settle()
    for (const [index, client] of clients.entries()) {
      expect((await client.takeAll('welcome')).length).toBe(index === 1 ? 0 : 1)
    }
  })

  it('asks about one new credential of a connection at a time, and the newest counts', async () => {
    const { app, hello } = startHeld()
    const client = hello('ada')
    app.asked[0]!.answer({ user: 'ada' })
    await client.take()
    for (let n = 1; n <= 10; n++) client.send({ t: 'auth', token: `ada:${n}` })
    await settle()
    expect(app.abouts.slice(1)).toEqual(['ada:1'])
    app.asked[1]!.answer({ user: 'ada' })
    await settle()
    expect(app.abouts.slice(1)).toEqual(['ada:1', 'ada:10'])
    app.asked[2]!.answer({ user: 'ada' })
    expect(await client.take()).toEqual([{ t: 'authed' }])
  })

  it('answers a new credential with unavailable when authenticate does not answer in time', async () => {
    const { app, hello, time } = startHeld()
    const client = hello('ada')
    app.asked[0]!.answer({ user: 'ada' })
    await client.take()
    client.send({ t: 'auth', token: 'hangs' })
    await settle()
    time.advance(10_000)
    expect(await client.takeAll('error')).toMatchObject([{ code: 'unavailable' }])
    client.send({ t: 'auth', token: 'works' })
    await settle()
    app.asked[2]!.answer({ user: 'ada' })
    expect(await client.take()).toEqual([{ t: 'authed' }])
  })
})

describe('everybody subscribes again at once', () => {
  async function startSubscribed(limits = {}) {
    const app = held<boolean>()
    const manual = startManual({
      authorize: ({ identity, topic }) => app.ask(`${identity.user} ${topic}`),
      limits: { maxConcurrentAuthorizations: 3, ...limits },
    })
    const clients = await Promise.all(['a', 'b'].map((token) => manual.connect(token)))
    for (const { send } of clients) send({ t: 'subscribe', topics: [{ topic: '1' }, { topic: '2' }] })
    await settle()
    return { ...manual, app, clients }
  }

  it('asks authorize about a few topics at a time, over all connections', async () => {
    const { app, clients } = await startSubscribed()
    expect(app.abouts).toEqual(['a 1', 'a 2', 'b 1'])
    app.asked[1]!.answer(true)
    await settle()
    expect(app.abouts).toEqual(['a 1', 'a 2', 'b 1', 'b 2'])
    for (const { answer } of app.asked) answer(true)
    for (const client of clients) expect((await client.takeAll('subscribed')).length).toBe(2)
  })

  it('refuses with unavailable what waits in vain, and asks no more about it', async () => {
    const { app, clients, time, errors } = await startSubscribed()
    time.advance(10_000)
    for (const client of clients) {
      expect((await client.takeAll('refused')).map(({ code }) => code)).toEqual([
        'unavailable',
        'unavailable',
      ])
    }
    expect(app.abouts).toEqual(['a 1', 'a 2', 'b 1'])
    expect(String(errors.at(-1)?.cause)).toContain('limits.maxConcurrentAuthorizations')
    clients[0]!.send({ t: 'subscribe', topics: [{ topic: '3' }] })
    await settle()
    app.asked[3]!.answer(true)
    expect(await clients[0]!.takeAll('subscribed')).toMatchObject([{ topic: '3' }])
  })

  it('asks nothing about topics of connections that have ended', async () => {
    const { app, clients } = await startSubscribed()
    clients[1]!.lose()
    for (const { answer } of app.asked) answer(true)
    await settle()
    expect(app.abouts).toEqual(['a 1', 'a 2', 'b 1'])
  })

  it('holds a thenable that is no Promise to the deadline', async () => {
    const { connect, time } = startManual({ authorize: () => ({ then: () => {} }) as never })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await settle()
    time.advance(10_000)
    expect(await ada.takeAll('refused')).toMatchObject([{ topic: 't', code: 'unavailable' }])
  })
})

it.each(['maxConcurrentAuthentications', 'maxConcurrentAuthorizations'])(
  'refuses a %s of 0: nobody would ever be let in',
  (name) => {
    expect(() => startManual({ limits: { [name]: 0 } })).toThrow(`${name} must be a number from 1`)
  },
)
