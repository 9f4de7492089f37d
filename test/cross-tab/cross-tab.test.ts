import { describe, expect, it, test, vi } from 'vitest'
import WebSocket from 'ws'
import { RealtimeError } from '../../src/core/errors.ts'
import type { RealtimeEvent } from '../../src/core/event.ts'
import { systemClock } from '../../src/core/clock.ts'
import { crossTab } from '../../src/cross-tab/index.ts'
import { browserPlatform } from '../../src/cross-tab/platform.ts'
import { createFakeTransport, type FakeTransport } from '../../src/testing/fake-transport.ts'
import { transportContract } from '../../src/testing/transport-contract.ts'
import { webSocketTransport } from '../../src/transports/websocket.ts'
import { SocketServer } from '../transports/socket-server.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'
import { FakeBrowser } from './fake-browser.ts'
import { Tab } from './tab.ts'
import { World } from './world.ts'

const note = (data: unknown) => ({ type: 'e', data })

describe.each([
  ['of the tab that holds the connection', true],
  ['of a tab that cannot share', false],
])('the contract, %s', (_, isShared) => {
  transportContract(test, async () => {
    const server = await SocketServer.start({ protocol: 'rqb.v1' })
    let isRunning = true
    const stop = async () => {
      if (isRunning) await server.stop()
      isRunning = false
    }
    const browser = new FakeBrowser(systemClock, { random: () => 0, latency: () => 0 })
    const { platform } = browser.openPage()
    return {
      transport: crossTab(webSocketTransport({ url: server.url, WebSocket, decode: undefined }), {
        identity: () => 'ada',
        ...(isShared && { platform }),
      }),
      accept: () => server.accept(),
      get acceptedCount() {
        return server.acceptedCount
      },
      refuse: stop,
      dispose: stop,
    }
  })
})

describe('tabs of one user', () => {
  it('share one connection, and each hears its own topics once and in order', async () => {
    const world = new World()
    const [one, two, three] = [world.open().start('a'), world.open().start('a', 'b'), world.open().start('b')]
    await world.pass(1_000)
    expect([one, two, three].map(({ status }) => status)).toEqual(['live', 'live', 'live'])
    expect(world.server.stats()).toMatchObject({ connections: 1, subscriptions: 2 })
    for (const n of [1, 2, 3]) {
      await world.server.publish('a', note(n))
      await world.server.publish('b', note(n))
    }
    await world.pass()
    expect(one.told).toEqual(['a:1', 'a:2', 'a:3'])
    expect(two.told).toEqual(['a:1', 'a:2', 'a:3', 'b:1', 'b:2', 'b:3'])
    expect(three.told).toEqual(['b:1', 'b:2', 'b:3'])
    expect([one, two, three].flatMap(({ errors, wrongs }) => [...errors, ...wrongs])).toEqual([])
  })

  it('ask the server nothing when a tab comes that needs what is there', async () => {
    const world = new World()
    world.open().start('a')
    await world.pass(1_000)
    world.heard.length = 0
    const two = world.open().start('a')
    await world.pass(1_000)
    expect(two.status).toBe('live')
    expect(world.heard).toEqual([])
  })

  it('end a subscription when the last of them does not want it any more', async () => {
    const world = new World()
    const [one, two] = [world.open().start('a', 'b'), world.open().start('a')]
    await world.pass(1_000)
    two.want([])
    await world.pass()
    expect(world.server.stats().subscriptions).toBe(2)
    one.want(['b'])
    await world.pass()
    expect(world.server.stats().subscriptions).toBe(1)
  })

  it('lose nothing when the one that holds the connection stops, crashes, or is frozen', async () => {
    const world = new World()
    const tabs = Array.from({ length: 4 }, () => world.open().start('a'))
    await world.pass(1_000)
    const last = tabs[3]!
    let n = 0
    for (const end of [
      () => tabs[0]!.session.stop(),
      () => world.crash(tabs[1]!),
      () => tabs[2]!.page.freeze(),
    ]) {
      end()
      await world.server.publish('a', note(++n))
      await world.pass(5_000)
      expect(last.status).toBe('live')
      expect(world.connections).toBe(1)
    }
    expect(last.told).toEqual(['a:1', 'a:2', 'a:3'])
    tabs[2]!.page.thaw()
    await world.pass(20_000)
    expect(tabs[2]!.told).toEqual(['a:1', 'a:2', 'a:3'])
    expect(world.connections).toBe(1)
    expect([...tabs[2]!.wrongs, ...last.wrongs]).toEqual([])
  })

  it('take the lock from one that runs no code, which gives way when it runs again', async () => {
    const world = new World()
    const [one, two] = [world.open().start('a'), world.open().start('a')]
    await world.pass(1_000)
    one.page.stop()
    await world.server.publish('a', note(1))
    await world.pass(60_000)
    expect(two.status).toBe('live')
    expect(two.told).toEqual(['a:1'])
    one.page.thaw()
    await world.pass(30_000)
    expect(one.told).toEqual(['a:1'])
    expect([one, two].map(({ status }) => status)).toEqual(['live', 'live'])
    expect(world.connections).toBe(1)
  })

  it('find out that the connection is dead by the ping of any of them', async () => {
    const world = new World()
    const one = world.open()
    one.page.throttledMs = 60_000 // It is hidden.
    one.start('a')
    const two = world.open().start('a')
    await world.pass(1_000)
    for (const wire of world.wires) wire.cut(true)
    await world.server.publish('a', note(1))
    await world.pass(45_000)
    expect(two.told).toEqual(['a:1'])
    await world.pass(60_000)
    expect(one.told).toEqual(['a:1'])
    expect(world.connections).toBe(1)
  })

  it('keep a place for no more than `maxTabs`: others connect by themselves', async () => {
    const world = new World()
    const tabs = Array.from({ length: 3 }, () => world.open({ maxTabs: 2 }).start('a'))
    await world.pass(1_000)
    expect(tabs.map(({ status }) => status)).toEqual(['live', 'live', 'live'])
    expect(world.connections).toBe(2)
  })

  it('let one go that does not read, and take it back from where it stood', async () => {
    const world = new World()
    const [one, two] = [world.open().start('a'), world.open().start('a')]
    await world.pass(1_000)
    two.page.stop()
    for (let n = 1; n <= 1_100; n++) {
      await world.server.publish('a', note(n))
      if (n % 10 === 0) await world.pass(10)
    }
    await world.pass(1_000)
    expect(one.told).toHaveLength(1_100)
    two.page.thaw()
    await world.pass(10_000)
    expect(two.wrongs).toEqual([])
    expect(two.at.get('a')).toEqual({ epoch: 'e1', offset: 1_100 })
    expect(world.connections).toBe(1)
  })

  it('unsubscribe for one that has crashed', async () => {
    const world = new World()
    const [, two] = [world.open().start('a'), world.open().start('b')]
    await world.pass(1_000)
    world.crash(two)
    await world.pass(300_000)
    expect(world.server.stats()).toMatchObject({ connections: 1, subscriptions: 1 })
  })
})

describe('what tabs say over one connection', () => {
  it('is answered to the tab that has said it, also when the connection changes hands', async () => {
    const world = new World()
    const [one, two, three] = [world.open().start('a'), world.open().start('a'), world.open().start('a')]
    await world.pass(1_000)
    const sends = Array.from({ length: 20 }, (_, n) => two.outbox.send('say', n))
    const others = Array.from({ length: 20 }, (_, n) => three.outbox.send('say', 100 + n))
    await world.pass(5)
    one.session.stop()
    await world.pass(10_000)
    expect(await Promise.all(sends)).toEqual(sends.map((_, data) => ({ fate: 'acked', data })))
    expect(await Promise.all(others)).toEqual(others.map((_, n) => ({ fate: 'acked', data: 100 + n })))
  })

  it('makes them one member of a presence, with what was said last', async () => {
    const world = new World()
    const [one, two, stranger] = [
      world.open().start('a'),
      world.open().start('a'),
      world.open({ identity: () => 'bob' }).start('a'),
    ]
    const hold = one.presence.join('a', 'reading')
    await world.pass(1_000)
    stranger.presence.join('a')
    const states = () => stranger.presence.of('a').members.map(({ state }) => state)
    await world.pass(1_000)
    expect(states()).toEqual(['reading'])
    const second = two.presence.join('a', 'writing')
    await world.pass(1_000)
    expect(states()).toEqual(['writing'])
    expect(one.presence.of('a')).toEqual(two.presence.of('a'))
    second.leave()
    await world.pass(1_000)
    expect(states()).toEqual(['reading'])
    hold.leave()
    await world.pass(1_000)
    expect(states()).toEqual([])
  })

  it('lets signals of others come to each tab, and its own to none of this browser', async () => {
    const world = new World()
    const tabs = [world.open().start('a'), world.open().start('a'), world.open().start('b')]
    const stranger = world.open({ identity: () => 'bob' }).start('a')
    await world.pass(1_000)
    const heard: string[] = []
    for (const [index, tab] of [...tabs, stranger].entries()) {
      tab.signals.listen('a', ({ data }) => heard.push(`${index} ${String(data)}`))
    }
    stranger.signals.send('a', 'cursor', 'from bob')
    tabs[0]!.signals.send('a', 'cursor', 'from ada')
    await world.pass(1_000)
    expect(heard.sort()).toEqual(['0 from bob', '1 from bob', '3 from ada'])
  })
})

describe('L10: who shares with whom', () => {
  const shares = async (open: (world: World) => Tab[]) => {
    const world = new World()
    const tabs = open(world).map((tab) => tab.start('a'))
    await world.pass(10_000)
    expect(tabs.map(({ status }) => status)).toEqual(tabs.map(() => 'live'))
    return { world, tabs, connections: world.connections }
  }

  it('is never another user', async () => {
    const { connections } = await shares((world) =>
      ['ada', 'bob', 'ada'].map((who) => world.open({ identity: () => who })),
    )
    expect(connections).toBe(2)
  })

  it('is nobody while it is not known who is signed in', async () => {
    const { connections } = await shares((world) =>
      [null, undefined, null].map((who) => world.open({ identity: () => who })),
    )
    expect(connections).toBe(3)
  })

  it('is, without `identity`, who has the same token, which stands in no name', async () => {
    const { world, connections } = await shares((world) =>
      ['secret', 'other', 'secret'].map((token) =>
        world.open({ identity: undefined, token: async () => token }),
      ),
    )
    expect(connections).toBe(2)
    const names = [...world.browser.channels].map(({ name }) => name).join()
    expect(names).not.toMatch(/secret|other/)
    expect(names).toContain('digest of')
  })

  it('leaves the token of a tab in that tab, unless it dials', async () => {
    const world = new World()
    const posted: unknown[] = []
    const spied = world.browser.post
    vi.spyOn(world.browser, 'post').mockImplementation(function (this: void, from, message) {
      posted.push(message)
      spied.call(world.browser, from, message)
    })
    const tabs = ['secret of one', 'secret of two'].map((token) =>
      world.open({ identity: () => 'ada', token: async () => token }).start('a'),
    )
    await world.pass(1_000)
    expect(tabs.map(({ status }) => status)).toEqual(['live', 'live'])
    expect(world.connections).toBe(1)
    expect(posted.length).toBeGreaterThan(5)
    expect(JSON.stringify(posted)).not.toContain('secret')
  })

  it('is, without `identity` and token, nobody, and that is told once', async () => {
    const { world, tabs, connections } = await shares((world) =>
      [1, 2].map(() => world.open({ identity: undefined })),
    )
    expect(connections).toBe(2)
    for (const wire of world.wires) wire.cut()
    await world.pass(10_000)
    for (const { errors } of tabs) {
      expect(errors.map(({ code, message }) => [code, message.includes('who is signed in')])).toEqual([
        ['usage', true],
      ])
    }
  })

  it('is no build of another version, and no other backend', async () => {
    const { connections } = await shares((world) => [
      world.open({ version: '1' }),
      world.open({ version: '2' }),
      world.open({ version: '2', name: 'other' }),
    ])
    expect(connections).toBe(3)
  })

  it('is the next user’s tabs after a change of user, and no longer the last one’s', async () => {
    const world = new World()
    let who = 'ada'
    const [one, two] = [world.open({ identity: () => who }), world.open()].map((tab) => tab.start('a'))
    await world.pass(1_000)
    expect(world.connections).toBe(1)
    who = 'bob'
    one!.session.switchUser()
    await world.pass(10_000)
    expect(world.connections).toBe(2)
    expect(two!.status).toBe('live')
  })
})

describe('a plain backend', () => {
  const decode = (raw: unknown) => ({ type: 'e', data: raw }) satisfies RealtimeEvent

  function open(options: Partial<FakeTransport> = {}) {
    const time = new VirtualTime()
    const browser = new FakeBrowser(time.clock(), { random: () => 0.5, latency: () => 1 })
    const inner = [1, 2].map(() => createFakeTransport({ decode, ...options }))
    const tabs = inner.map((one) => new Tab(browser, one))
    return { time, browser, inner: inner as [FakeTransport, FakeTransport], tabs: tabs as [Tab, Tab] }
  }

  it('is shared as well: each frame comes to each tab', async () => {
    const { time, inner, tabs } = open()
    for (const tab of tabs) tab.start()
    await time.advance(10)
    inner[0].connection.open()
    await time.advance(10)
    expect(tabs.map(({ status }) => status)).toEqual(['live', 'live'])
    inner[0].connection.deliver('one', 'two')
    await time.advance(10)
    expect(tabs.map(({ told }) => told)).toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ])
    expect(inner[1].connections).toHaveLength(0)
  })

  it('is asked by any tab whether it is there', async () => {
    const { time, inner, tabs } = open({ heartbeat: { ping: () => 'ping' } })
    for (const tab of tabs) tab.start()
    await time.advance(10)
    inner[0].connection.open()
    await time.advance(26_000)
    expect(inner[0].connection.sent).toEqual(['ping', 'ping'])
  })

  it('is dialled by another tab when the first one hangs, though nobody pings it', async () => {
    const { time, inner, tabs } = open()
    for (const tab of tabs) tab.start()
    await time.advance(10)
    inner[0].connection.open()
    await time.advance(10)
    tabs[0].page.stop()
    await time.advance(60_000)
    inner[1].connection.open()
    await time.advance(10)
    expect(tabs[1].status).toBe('live')
    expect(tabs[1].told).toContain(' reset')
  })

  it('is not asked to go on from where this tab stood when it held the connection last', async () => {
    const forget = vi.fn()
    const { time, inner, tabs } = open({ forget })
    for (const tab of tabs) tab.start()
    await time.advance(10)
    expect(forget).not.toHaveBeenCalled()
    inner[0].connection.open()
    await time.advance(10)
    expect(forget).toHaveBeenCalledOnce()
  })

  it('is asked by each tab for itself when it refuses the one that holds the connection', async () => {
    const { time, inner, tabs } = open()
    for (const tab of tabs) tab.start()
    await time.advance(10)
    inner[0].connection.open()
    await time.advance(10)
    inner[0].connection.end({ code: 4403 })
    await time.advance(5_000)
    expect(tabs[0].status).toBe('closed')
    inner[1].connection.open()
    await time.advance(10)
    expect(tabs[1].status).toBe('live')
  })

  it('tells all tabs the code of a close that has a policy of its own', async () => {
    const { time, inner, tabs } = open()
    for (const tab of tabs) tab.start()
    await time.advance(10)
    inner[0].connection.open()
    await time.advance(10)
    inner[0].connection.end({ code: 4429 })
    await time.advance(5_000)
    expect(inner.map(({ connections }) => connections.length)).toEqual([1, 0])
    expect(tabs.map(({ status }) => status)).toEqual(['waiting', 'waiting'])
  })

  it('sends a frame that no other tab can be given: that one connects anew, and the first goes on', async () => {
    const { time, inner, tabs } = open()
    for (const tab of tabs) tab.start()
    await time.advance(10)
    inner[0].connection.open()
    await time.advance(10)
    inner[0].connection.handlers.onMessage(() => 'a function')
    await time.advance(10)
    expect(tabs[0].status).toBe('live')
    await time.advance(10_000)
    expect(tabs[1].status).toBe('live')
  })
})

describe('where nothing can be shared', () => {
  it('is the transport itself: on a server, in an old browser, without TLS', () => {
    const handlers = { onOpen() {}, onMessage() {}, onClose() {}, onError() {} }
    const inner = createFakeTransport()
    crossTab(inner, { identity: () => 'ada' }).connect(handlers)
    expect(inner.connections).toHaveLength(1)
    expect(browserPlatform()).toBeUndefined()
    expect(browserPlatform({})).toBeUndefined()
  })

  it('is each tab by itself when locks are refused to the page', async () => {
    const time = new VirtualTime()
    const browser = new FakeBrowser(time.clock(), { random: () => 0.5, latency: () => 1 })
    const inner = createFakeTransport()
    const { platform } = browser.openPage()
    const locks = { request: () => Promise.reject(new DOMException('No.', 'SecurityError')) }
    const tab = new Tab(browser, inner, { platform: { ...platform, locks } }).start()
    await time.advance(10)
    expect(inner.connections).toHaveLength(1)
    expect(tab.errors).toEqual([])
    expect(browser.channels.size).toBe(0)
  })

  it('is each tab by itself when channels are refused to the page', async () => {
    const time = new VirtualTime()
    const browser = new FakeBrowser(time.clock(), { random: () => 0.5, latency: () => 1 })
    const inner = createFakeTransport()
    const { platform } = browser.openPage()
    const openChannel = () => {
      throw new DOMException('Storage is blocked.', 'SecurityError')
    }
    const tab = new Tab(browser, inner, { platform: { ...platform, openChannel } }).start()
    await time.advance(10)
    expect(inner.connections).toHaveLength(1)
    expect(tab.errors).toEqual([])
    expect(browser.locks).toEqual({ held: 0, waiting: 0 })
  })

  it('refuses a managed transport, whose connection is the app’s', () => {
    expect(() => crossTab(createFakeTransport({ mode: 'managed' }))).toThrow(RealtimeError)
  })

  it('does not mix two connections of one page', async () => {
    const time = new VirtualTime()
    const browser = new FakeBrowser(time.clock(), { random: () => 0.5, latency: () => 1 })
    const { platform } = browser.openPage()
    const inner = [createFakeTransport(), createFakeTransport()]
    const [one, two] = inner.map((transport) => new Tab(browser, transport, { platform }).start())
    await time.advance(10)
    expect(inner.map(({ connections }) => connections.length)).toEqual([1, 1])
    expect([one!.errors.length, two!.errors.map(({ code }) => code)]).toEqual([0, ['usage']])
  })

  it('connects by itself when it is deaf: it does not steal the lock again and again', async () => {
    const world = new World()
    const one = world.open().start('a')
    await world.pass(1_000)
    const two = world.open()
    // Its channels bring nothing.
    two.page.platform.openChannel = () => ({ postMessage() {}, close() {}, onmessage: null })
    two.start('a')
    await world.pass(20_000)
    expect([one.status, two.status]).toEqual(['live', 'live'])
    for (let n = 0; n < 5; n++) {
      for (const wire of world.wires) wire.cut()
      await world.pass(11_000)
    }
    await world.pass(20_000)
    expect([one.status, two.status]).toEqual(['live', 'live'])
  })
})

it('the browser’s platform tells of a page that is left or frozen, and digests without giving away', async () => {
  const [page, document] = [new EventTarget(), new EventTarget()]
  const scope = Object.assign(page, {
    navigator: { locks: { request: async () => undefined } },
    document,
    BroadcastChannel,
    crypto: globalThis.crypto,
  })
  const platform = browserPlatform(scope as never)!
  const told: string[] = []
  const stop = platform.onSuspend(() => told.push('suspended'))
  page.dispatchEvent(new Event('pagehide'))
  document.dispatchEvent(new Event('freeze'))
  stop()
  page.dispatchEvent(new Event('pagehide'))
  expect(told).toEqual(['suspended', 'suspended'])
  expect(await platform.digest('secret')).toMatch(/^[0-9a-f]{64}$/)
  expect(platform.createId()).not.toBe(platform.createId())
  platform.openChannel('x').close()
})
