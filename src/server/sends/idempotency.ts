/**
 * Writes that may be sent twice, and are done once: a client that did not hear the answer sends the same request with
 * the same key again, and gets the same answer.
 */
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
 * Where answers are kept. `memoryIdempotencyStore` is for one process; `redisIdempotencyStore` and
 * `postgresIdempotencyStore` are shared by many nodes. A store of your own claims atomically, and lets a claim lapse
 * whose node has died; `idempotencyContract` of `./testing` has its promises as tests.
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
    // What could not be released lapses, or ends with its transaction. Why `run` failed says more.
    await store.release(id).catch(() => undefined)
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
