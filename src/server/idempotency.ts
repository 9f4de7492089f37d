/**
 * Writes that may be sent twice, and are done once: a client that did not hear the answer sends the same request with
 * the same key again, and gets the same answer.
 */
import { RealtimeError } from '../core/errors.ts'

/** An answer that can be given again. */
export interface IdempotentAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Anything that JSON can carry. */
  readonly body?: unknown
}

/**
 * - `claimed`: nobody has done it, and nobody else will while the claim holds.
 * - `done`: with this answer, as JSON text.
 * - `busy`: somebody is at it. `settled` resolves when that has changed, or might have.
 *
 * `fingerprint` is that of the request which came first.
 */
export type IdempotencyClaim =
  | { readonly state: 'claimed' }
  | { readonly state: 'done'; readonly fingerprint: string; readonly answer: string }
  | { readonly state: 'busy'; readonly fingerprint: string; readonly settled: Promise<void> }

/**
 * Where answers are kept. `memoryIdempotencyStore` is for one process; a store that many nodes share claims atomically
 * (`SET NX` with a time to live, `INSERT … ON CONFLICT DO NOTHING`), and lets a claim lapse whose node has died.
 */
export interface IdempotencyStore {
  claim(id: string, fingerprint: string): Promise<IdempotencyClaim>
  /** Keeps the answer of what was claimed. */
  complete(id: string, answer: string): Promise<void>
  /** Gives the claim up: it was not done. */
  release(id: string): Promise<void>
}

export interface IdempotentRequest {
  /** What the client sent as `Idempotency-Key`. Without one the request is simply run. */
  readonly key: string | null | undefined
  /** Who sends it: the same key of somebody else is another key. */
  readonly userId: string
  /** What was asked, as text: method, path and body. The same key with another one is refused (422). */
  readonly fingerprint: string
  /**
   * How long a second request waits for the first, in ms; then it is answered with 409.
   * @default 10_000
   */
  readonly waitMs?: number | undefined
}

const MAX_KEY_LENGTH = 255

/**
 * Runs a write once for a key of a user, and gives its answer to every request that comes with the key. Requests that
 * come while the first is running wait for it. What throws, and every answer from 500, is not kept: the next request
 * runs again, so commit and publish together or make both repeatable.
 *
 * Publish inside of `run`: then there is one event, too.
 *
 * @returns what `run` has given; 422 for a key that came with another request, 409 when the first one is not done in
 * time, 400 for a key that is too long.
 * @example
 * const answers = memoryIdempotencyStore()
 * const answer = await idempotent(answers, { key, userId, fingerprint: `POST /tasks ${body}` }, async () => {
 *   const task = await database.insert(body)
 *   await realtime.publish('tasks', { type: 'task.created', data: task, mutationId: key })
 *   return { status: 201, body: task }
 * })
 */
export async function idempotent(
  store: IdempotencyStore,
  request: IdempotentRequest,
  run: () => IdempotentAnswer | Promise<IdempotentAnswer>,
): Promise<IdempotentAnswer> {
  const { key, userId, waitMs = 10_000 } = request
  if (key === null || key === undefined || key === '') return run()
  if (key.length > MAX_KEY_LENGTH) {
    return problem(400, `Idempotency-Key is longer than ${MAX_KEY_LENGTH} characters.`)
  }
  // JSON, so that no user can write a key that reads like somebody else's.
  const id = JSON.stringify([userId, key])
  const fingerprint = await digest(request.fingerprint)
  const deadline = deadlineIn(waitMs)
  try {
    for (;;) {
      const claim = await store.claim(id, fingerprint)
      if (claim.state === 'claimed') return await runClaimed(store, id, run)
      if (claim.fingerprint !== fingerprint) {
        return problem(422, 'This Idempotency-Key was sent with another request.')
      }
      if (claim.state === 'done') return JSON.parse(claim.answer) as IdempotentAnswer
      if ((await Promise.race([claim.settled, deadline.passed])) === 'passed') {
        return problem(
          409,
          'The first request with this Idempotency-Key is not done yet. Send it again later.',
        )
      }
    }
  } finally {
    deadline.cancel()
  }
}

async function runClaimed(
  store: IdempotencyStore,
  id: string,
  run: () => IdempotentAnswer | Promise<IdempotentAnswer>,
): Promise<IdempotentAnswer> {
  let answer: IdempotentAnswer
  let json: string
  try {
    answer = await run()
    json = JSON.stringify(answer)
  } catch (error) {
    await store.release(id)
    throw error
  }
  if (answer.status >= 500) await store.release(id)
  else await store.complete(id, json)
  // The first answer looks like the second.
  return JSON.parse(json) as IdempotentAnswer
}

const problem = (status: number, message: string): IdempotentAnswer => ({ status, body: { error: message } })

/** The same length for every request, and nothing of its content is kept. */
async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function deadlineIn(delayMs: number): { passed: Promise<'passed'>; cancel: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined
  const passed = new Promise<'passed'>((resolve) => {
    timer = setTimeout(() => {
      resolve('passed')
    }, delayMs)
  })
  return {
    passed,
    cancel: () => {
      clearTimeout(timer)
    },
  }
}

export interface MemoryIdempotencyStoreOptions {
  /** Answers that are kept; the oldest goes first. @default 10_000 */
  readonly maxEntries?: number | undefined
  /** How long an answer is kept, in ms: longer than clients repeat requests. @default 86_400_000 // a day */
  readonly maxAgeMs?: number | undefined
  /** All answers together, in characters of JSON; the oldest goes first. @default 16_777_216 */
  readonly maxCharacters?: number | undefined
  /** @default Date.now */
  readonly now?: (() => number) | undefined
}

interface Entry {
  readonly fingerprint: string
  /** `undefined` while it is running. */
  answer: string | undefined
  at: number
  readonly settled: Promise<void>
  readonly settle: () => void
}

/**
 * Keeps answers in the memory of this process. What is running is always kept: it is as bounded as the requests that
 * the process serves at a time.
 */
export function memoryIdempotencyStore(options: MemoryIdempotencyStoreOptions = {}): IdempotencyStore {
  const { maxEntries = 10_000, maxAgeMs = 86_400_000, maxCharacters = 16_777_216, now = Date.now } = options
  for (const [name, value] of Object.entries({ maxEntries, maxAgeMs, maxCharacters })) {
    if (!(value >= 0)) throw new RealtimeError('usage', `${name} must be a number from 0. Got ${value}.`)
  }
  const running = new Map<string, Entry>()
  /** In the order in which they were completed. */
  const done = new Map<string, Entry>()
  let characters = 0

  function forget(id: string, { answer = '' }: Entry): void {
    done.delete(id)
    characters -= answer.length
  }

  function trim(): void {
    for (const [id, entry] of done) {
      const isKept = done.size <= maxEntries && characters <= maxCharacters && now() - entry.at < maxAgeMs
      if (isKept) return
      forget(id, entry)
    }
  }

  return {
    claim(id, fingerprint) {
      trim()
      const known = running.get(id) ?? done.get(id)
      if (!known) {
        let settle!: () => void
        const settled = new Promise<void>((resolve) => (settle = resolve))
        running.set(id, { fingerprint, answer: undefined, at: now(), settled, settle })
        return Promise.resolve({ state: 'claimed' })
      }
      const { answer, settled } = known
      return Promise.resolve(
        answer === undefined
          ? { state: 'busy', fingerprint: known.fingerprint, settled }
          : { state: 'done', fingerprint: known.fingerprint, answer },
      )
    },
    complete(id, answer) {
      const entry = running.get(id)
      if (entry) {
        running.delete(id)
        entry.answer = answer
        entry.at = now()
        done.set(id, entry)
        characters += answer.length
        trim()
        entry.settle()
      }
      return Promise.resolve()
    },
    release(id) {
      running.get(id)?.settle()
      running.delete(id)
      return Promise.resolve()
    },
  }
}
