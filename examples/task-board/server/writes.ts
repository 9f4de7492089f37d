/**
 * Every write goes through here, one after the other: run in a transaction, commit, tell, answer. So events leave
 * in the order of their commits, and never for something that was rolled back.
 */
import { createHash } from 'node:crypto'
import type { Database } from './database.ts'
import { ApiError } from './errors.ts'
import type { Write } from './tasks.ts'

export interface WriteRequest {
  readonly userId: string
  /** The `Idempotency-Key` header: the same key gets the same answer, and the write happens once. */
  readonly idempotencyKey: string | undefined
  /** Method, path and body: a key stands for one request only. */
  readonly request: string
}

export interface Answer {
  readonly status: 200 | 201
  readonly body: unknown
}

export interface Outcome extends Answer {
  /** The answer of an earlier request with the same key; nothing was written now. */
  readonly isRepeat: boolean
}

export class WriteQueue {
  readonly #db: Database
  /** The end of the queue; never rejects. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(db: Database) {
    this.#db = db
  }

  /** Runs `write` in a transaction when its turn comes, and `committed` between its commit and the next write. */
  run(
    request: WriteRequest,
    write: (write: Write) => Promise<Answer>,
    committed: (answer: Answer) => Promise<void>,
  ): Promise<Outcome> {
    const turn = this.#last.then(async () => {
      const outcome = await this.#db.transaction(async (sql): Promise<Outcome> => {
        const earlier = await findAnswer(sql, request)
        if (earlier !== undefined) return { ...earlier, isRepeat: true }
        const at = new Date()
        const answer = await write({ sql, actorId: request.userId, at })
        if (request.idempotencyKey !== undefined) {
          await sql.query(`insert into answers values ($1, $2, $3, $4, $5, $6)`, [
            request.userId,
            request.idempotencyKey,
            fingerprint(request),
            answer.status,
            answer.body,
            at,
          ])
        }
        return { ...answer, isRepeat: false }
      })
      if (!outcome.isRepeat) await committed(outcome)
      return outcome
    })
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** Resolves when every write that was asked for so far has ended. */
  async drain(): Promise<void> {
    await this.#last
  }
}

async function findAnswer(sql: Write['sql'], request: WriteRequest): Promise<Answer | undefined> {
  if (request.idempotencyKey === undefined) return undefined
  const { rows } = await sql.query<Answer & { request: string }>(
    'select status, body, request from answers where user_id = $1 and idempotency_key = $2',
    [request.userId, request.idempotencyKey],
  )
  const earlier = rows[0]
  if (earlier !== undefined && earlier.request !== fingerprint(request)) {
    throw new ApiError(422, 'key-reused', 'This Idempotency-Key was used for another request.')
  }
  return earlier
}

const fingerprint = ({ request }: WriteRequest) => createHash('sha256').update(request).digest('hex')
