/**
 * Every write goes through here, one after the other: run in a transaction, commit, tell, answer. So events leave
 * in the order of their commits, and never for something that was rolled back. Where the log lives in the database,
 * the event commits with its row: no crash comes between the two.
 */
import { formatPositions, idempotent, type RealtimeServer } from 'realtime-query-bridge/server'
import type { PostgresIdempotencyStore } from 'realtime-query-bridge/server/postgres'
import type { Database, Sql } from './database.ts'
import { ApiError } from './errors.ts'
import type { Storage } from './storage.ts'
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
  /** Where the topic of the write stood when its answer was true, as a `Realtime-Position`. */
  readonly position: string | undefined
  /** The answer of an earlier request with the same key; nothing was written now. */
  readonly isRepeat: boolean
}

/** What a write tells the others. */
export interface BoardEvent {
  readonly topic: string
  readonly type: string
  readonly data: unknown
}

/** Another process on the same database waits, too. */
const WRITE_LOCK = 4401

export class WriteQueue {
  readonly #db: Database
  readonly #realtime: RealtimeServer
  readonly #answers: PostgresIdempotencyStore
  /** Whether an event commits with its row. Otherwise it is published after the commit. */
  readonly #hasOutbox: boolean
  /** The end of the queue; never rejects. */
  #last: Promise<unknown> = Promise.resolve()

  constructor({ db, log, answers }: Storage, realtime: RealtimeServer) {
    this.#db = db
    this.#answers = answers
    this.#realtime = realtime
    this.#hasOutbox = log.appendIn !== undefined
  }

  /** Runs `write` in a transaction when its turn comes, and publishes what `eventsOf` says of it. */
  run(
    request: WriteRequest,
    write: (write: Write) => Promise<Answer>,
    eventsOf: (sql: Sql, answer: Answer) => Promise<BoardEvent[]>,
  ): Promise<Outcome> {
    const turn = this.#last.then(async () => {
      let events: BoardEvent[] = []
      const outcome = await this.#db.transaction(async (sql): Promise<Outcome> => {
        await sql.query('select pg_advisory_xact_lock($1::int8)', [WRITE_LOCK])
        let isRepeat = true
        const { status, body } = await idempotent(this.#answers.in(sql), asked(request), () => {
          isRepeat = false
          return write({ sql, actorId: request.userId, at: new Date() })
        })
        if (status !== 200 && status !== 201) {
          throw new ApiError(status as 400 | 422, 'key-reused', (body as { error: string }).error)
        }
        const answer: Answer = { status, body }
        if (isRepeat) return { ...answer, position: undefined, isRepeat }
        events = await eventsOf(sql, answer)
        const position = this.#hasOutbox ? await this.#publish(request, events, sql) : undefined
        return { ...answer, position, isRepeat }
      })
      if (outcome.isRepeat || this.#hasOutbox) return outcome
      return { ...outcome, position: await this.#publish(request, events) }
    })
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** In a transaction, or after it. Gives the position of the answer: nothing else was written since its state. */
  async #publish(
    { idempotencyKey: mutationId }: WriteRequest,
    events: BoardEvent[],
    sql?: Sql,
  ): Promise<string> {
    for (const { topic, type, data } of events) {
      const event = { type, data, mutationId }
      if (sql) await this.#realtime.publishIn(sql, topic, event)
      else await this.#realtime.publish(topic, event)
    }
    const topics = events.slice(0, 1).map(({ topic }) => topic)
    return formatPositions(await this.#realtime.position(topics, sql))
  }

  /** Resolves when every write that was asked for so far has ended. */
  async drain(): Promise<void> {
    await this.#last
  }
}

const asked = ({ userId, idempotencyKey: key, request: fingerprint }: WriteRequest) => ({
  key,
  userId,
  fingerprint,
})
