/** L10 as a property: whatever crosses with a change of user, nothing of the last one is ever in the cache of the next. */
import { MutationObserver, QueryClient, QueryObserver } from '@tanstack/query-core'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { realtimeMutationOptions } from '../../src/mutation-options.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'

const Note = z.object({ id: z.number(), of: z.string() })
type Note = z.infer<typeof Note>
const events = defineEvents({ 'note.saved': on(Note, (note) => upsert(['notes'], note)) })

const USERS = ['ada', 'bob', 'cy']

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(6_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('answer' as const), nth: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('connect' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('event' as const), id: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('switch' as const), user: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('toggle' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('send' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mutate' as const), id: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('settle' as const), nth: fc.nat(9), isGood: fc.boolean() }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer TStep> ? TStep : never

class Page {
  user = 'ada'
  readonly queryClient = new QueryClient({
    defaultOptions: { queries: { retry: false, staleTime: Infinity } },
  })
  readonly transport = createFakeTransport({ token: () => this.user })
  readonly bridge = new RealtimeQueryBridge({
    queryClient: this.queryClient,
    events,
    transport: this.transport,
    identity: this.user,
    random: () => 0.5,
    onError: () => {},
  })
  readonly answers: (() => void)[] = []
  readonly outcomes: ((isGood: boolean) => void)[] = []
  /** What each user has sent, by the user. */
  readonly sentBy = new Map<string, string>()
  offset = 0
  unmount: (() => void) | undefined

  constructor() {
    this.queryClient.mount()
    this.bridge.start()
    this.toggle()
  }

  get server() {
    return this.transport.connection
  }

  toggle() {
    if (this.unmount) {
      this.unmount()
      this.unmount = undefined
      return
    }
    this.unmount = new QueryObserver(this.queryClient, {
      queryKey: ['notes'],
      meta: { topics: ['notes'] },
      queryFn: () => {
        const of = this.user
        return new Promise<Note[]>((resolve) => {
          this.answers.push(() => {
            resolve([{ id: 0, of }])
          })
        })
      },
    }).subscribe(() => undefined)
  }

  mutate(id: number) {
    const note: Note = { id, of: this.user }
    const options = realtimeMutationOptions(this.bridge, {
      mutationFn: (sent: Note) =>
        new Promise<Note>((resolve, reject) => {
          this.outcomes.push((isGood) => {
            if (isGood) resolve(sent)
            else reject(Object.assign(new Error('refused'), { status: 409 }))
          })
        }),
      optimistic: (sent) => upsert(['notes'], sent),
      confirm: (saved) => upsert(['notes'], saved),
    })
    new MutationObserver(this.queryClient, options).mutate(note).catch(() => undefined)
  }

  async connect() {
    if (this.server.state !== 'connecting') return
    this.server.open()
    await vi.advanceTimersByTimeAsync(0)
    this.server.deliver({ t: 'welcome', connectionId: '1' })
    const position = { epoch: 'e', offset: this.offset }
    this.server.deliver({ t: 'subscribed', topic: 'notes', outcome: 'fresh', position, quietMs: 600_000 })
  }

  async do(step: Step) {
    const { server } = this
    switch (step.do) {
      case 'wait':
        return vi.advanceTimersByTimeAsync(step.ms)
      case 'answer':
        return this.answers[step.nth % this.answers.length]?.()
      case 'connect':
        return this.connect()
      case 'event':
        if (server.state !== 'open') return
        server.deliver({
          t: 'events',
          topic: 'notes',
          epoch: 'e',
          events: [{ type: 'note.saved', data: { id: step.id, of: this.user }, offset: ++this.offset }],
        })
        return
      case 'drop':
        if (server.state !== 'closed') server.end()
        return
      case 'switch':
        this.user = USERS[step.user] ?? ''
        this.bridge.setIdentity(this.user)
        return
      case 'toggle':
        this.toggle()
        return
      case 'send':
        void this.bridge.send('note.share', this.user)
        return
      case 'mutate':
        this.mutate(step.id)
        return
      case 'settle':
        this.outcomes[step.nth % this.outcomes.length]?.(step.isGood)
    }
  }

  check() {
    const notes = this.queryClient.getQueryData<Note[]>(['notes']) ?? []
    for (const { of } of notes) expect(of).toBe(this.user)
    for (const { variables } of this.bridge.pendingMutations())
      expect(variables).toMatchObject({ of: this.user })
    // Each connection is of one user: what it was sent is his, too.
    for (const { sent } of this.transport.connections) {
      const messages = sent as { t: string; token?: string; data?: unknown }[]
      const who = messages.find(({ t }) => t === 'hello')?.token
      for (const { t, data } of messages) if (t === 'send') expect(data).toBe(who)
    }
  }

  async end() {
    this.unmount?.()
    this.bridge.stop()
    this.queryClient.unmount()
    this.queryClient.clear()
    await vi.advanceTimersByTimeAsync(0)
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('shows no user anything of another (L10)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const page = new Page()
      try {
        for (const one of steps) {
          await page.do(one)
          page.check()
          await vi.advanceTimersByTimeAsync(0)
          page.check()
        }
      } finally {
        await page.end()
      }
    }),
    { numRuns: 300 },
  )
})
