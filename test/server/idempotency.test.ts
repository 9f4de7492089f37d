import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createRealtimeServer,
  idempotent,
  memoryEventLog,
  memoryIdempotencyStore,
  type IdempotencyStore,
  type IdempotentAnswer,
} from '../../src/server/index.ts'
import { idempotencyContract } from '../../src/testing/index.ts'

const ask = (fields: Partial<Parameters<typeof idempotent>[1]> = {}) => ({
  key: 'k1',
  userId: 'ada',
  fingerprint: 'POST /tasks {"title":"a"}',
  ...fields,
})

/** A write that counts, and ends when it is told to. */
function heldWrite() {
  let resolve!: (answer: IdempotentAnswer) => void
  let reject!: (error: Error) => void
  const promise = new Promise<IdempotentAnswer>((...settle) => ([resolve, reject] = settle))
  const run = vi.fn(() => promise)
  return { run, resolve, reject }
}

describe('a write with a key', () => {
  it('runs once, and gives its answer again', async () => {
    const store = memoryIdempotencyStore()
    let writes = 0
    const run = () => ({ status: 201, headers: { 'X-Task': '7' }, body: { id: ++writes, at: new Date(0) } })
    const first = await idempotent(store, ask(), run)
    expect(first).toEqual({
      status: 201,
      headers: { 'X-Task': '7' },
      body: { id: 1, at: '1970-01-01T00:00:00.000Z' },
    })
    expect(await idempotent(store, ask(), run)).toEqual(first)
    expect(writes).toBe(1)
  })

  it('publishes one event', async () => {
    const server = createRealtimeServer({
      log: memoryEventLog(),
      authenticate: () => ({}),
      authorize: () => true,
    })
    const store = memoryIdempotencyStore()
    const create = () =>
      idempotent(store, ask(), async () => {
        await server.publish('tasks', { type: 'task.created', data: {}, mutationId: 'k1' })
        return { status: 201 }
      })
    await Promise.all([create(), create(), create()])
    await create()
    expect((await server.position(['tasks']))['tasks']).toMatchObject({ offset: 1 })
  })

  it('lets whoever comes meanwhile wait for the answer', async () => {
    const store = memoryIdempotencyStore()
    const { run, resolve } = heldWrite()
    const answers = [1, 2, 3].map(() => idempotent(store, ask(), run))
    await vi.waitUntil(() => run.mock.calls.length > 0)
    resolve({ status: 200, body: 'done' })
    expect(await Promise.all(answers)).toEqual(Array(3).fill({ status: 200, body: 'done' }))
    expect(run).toHaveBeenCalledTimes(1)
  })

  it('runs again when it has thrown, for whoever waits, too', async () => {
    const store = memoryIdempotencyStore()
    const { run, reject } = heldWrite()
    const first = idempotent(store, ask(), run)
    await vi.waitUntil(() => run.mock.calls.length > 0)
    const second = idempotent(store, ask(), () => ({ status: 201 }))
    reject(new Error('deadlock'))
    await expect(first).rejects.toThrow('deadlock')
    expect(await second).toEqual({ status: 201 })
    expect(await idempotent(store, ask(), () => ({ status: 202 }))).toEqual({ status: 201 })
  })

  it('runs again after an answer from 500, and not after one below', async () => {
    const store = memoryIdempotencyStore()
    expect(await idempotent(store, ask(), () => ({ status: 503 }))).toEqual({ status: 503 })
    expect(await idempotent(store, ask(), () => ({ status: 404 }))).toEqual({ status: 404 })
    expect(await idempotent(store, ask(), () => ({ status: 201 }))).toEqual({ status: 404 })
  })

  it('is refused with 422 when the key came with another request', async () => {
    const store = memoryIdempotencyStore()
    const { run, resolve } = heldWrite()
    const first = idempotent(store, ask(), run)
    await vi.waitUntil(() => run.mock.calls.length > 0)
    const other = vi.fn(() => ({ status: 201 }))
    const another = ask({ fingerprint: 'POST /tasks {"title":"b"}' })
    expect(await idempotent(store, another, other)).toMatchObject({ status: 422 })
    resolve({ status: 201 })
    await first
    expect(await idempotent(store, another, other)).toMatchObject({ status: 422 })
    expect(other).not.toHaveBeenCalled()
  })

  it('of another user is another write, however keys and users are spelt', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(fc.string({ maxLength: 5 }), fc.string({ minLength: 1, maxLength: 5 })), {
          minLength: 2,
          maxLength: 5,
          selector: (pair) => JSON.stringify(pair),
        }),
        async (pairs) => {
          const store = memoryIdempotencyStore()
          for (const [userId, key] of pairs) {
            const body = { userId, key }
            expect(await idempotent(store, ask({ userId, key }), () => ({ status: 200, body }))).toEqual({
              status: 200,
              body,
            })
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it('is refused with 400 when the key is too long', async () => {
    const run = vi.fn(() => ({ status: 201 }))
    const answer = await idempotent(memoryIdempotencyStore(), ask({ key: 'k'.repeat(256) }), run)
    expect(answer.status).toBe(400)
    expect(run).not.toHaveBeenCalled()
  })

  it.each([undefined, null, ''])('runs each time when there is no key: %s', async (key) => {
    const store = memoryIdempotencyStore()
    let writes = 0
    const run = () => ({ status: 201, body: ++writes })
    expect(await idempotent(store, ask({ key }), run)).toEqual({ status: 201, body: 1 })
    expect(await idempotent(store, ask({ key }), run)).toEqual({ status: 201, body: 2 })
  })
})

describe('a write that takes long', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('lets the second request wait for so long, and no longer', async () => {
    const settled = new Promise<void>(() => {})
    let fingerprint = ''
    const store: IdempotencyStore = {
      claim: (_, own) => {
        fingerprint = own
        return Promise.resolve({ state: 'busy', fingerprint, settled })
      },
      complete: () => Promise.resolve(),
      release: () => Promise.resolve(),
    }
    const answer = idempotent(store, ask({ waitMs: 500 }), () => ({ status: 201 }))
    await vi.waitUntil(() => fingerprint !== '')
    await vi.advanceTimersByTimeAsync(500)
    expect(await answer).toMatchObject({ status: 409 })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('the answers in memory, kept to the contract', () => {
  idempotencyContract(it, () => {
    const store = memoryIdempotencyStore()
    const node = {
      answer: (...[request, run]: [Parameters<typeof idempotent>[1], Parameters<typeof idempotent>[2]]) =>
        idempotent(store, request, run),
    }
    return [node, node]
  })
})

describe('the answers in memory', () => {
  const run = (status: number) => () => ({ status })

  it('are kept for so long', async () => {
    let now = 0
    const store = memoryIdempotencyStore({ maxAgeMs: 1_000, now: () => now })
    await idempotent(store, ask(), run(201))
    now = 999
    expect(await idempotent(store, ask(), run(202))).toEqual({ status: 201 })
    now = 1_000
    expect(await idempotent(store, ask(), run(202))).toEqual({ status: 202 })
  })

  it.each([{ maxEntries: 2 }, { maxCharacters: '{"status":201}'.length * 2 }])(
    'are bounded, the oldest goes first: %o',
    async (options) => {
      const store = memoryIdempotencyStore(options)
      for (const key of ['a', 'b', 'c']) await idempotent(store, ask({ key }), run(201))
      expect(await idempotent(store, ask({ key: 'c' }), run(202))).toEqual({ status: 201 })
      expect(await idempotent(store, ask({ key: 'b' }), run(202))).toEqual({ status: 201 })
      expect(await idempotent(store, ask({ key: 'a' }), run(202))).toEqual({ status: 202 })
    },
  )

  it('are bounded by numbers', () => {
    expect(() => memoryIdempotencyStore({ maxEntries: Number.NaN })).toThrow(/maxEntries/)
  })
})
