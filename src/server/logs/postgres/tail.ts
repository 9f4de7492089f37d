/**
 * Reads what is new in the log. A look asks for what has become visible since the one before. The cursor of that is a
 * snapshot: the highest transaction that has been seen, and those below it that were in progress. It outlives
 * connections and restarts of the server, which gives the numbers of transactions out again that left no trace: they
 * are all above the cursor.
 */
import type { Clock } from '../../../core/clock.ts'
import { RealtimeError } from '../../../core/errors.ts'
import type { LogEntry } from '../../event-log.ts'
import { inTime } from '../../access/in-time.ts'
import { Follower, unanswered } from './follower.ts'
import type { ListeningConnection, ListeningHandlers } from './sql-client.ts'
import type { PostgresStatements } from './statements.ts'
import { eventFromRow, fromSqlText, type EventRow } from './text.ts'

export interface PostgresTailOptions {
  readonly open: (handlers: ListeningHandlers) => Promise<ListeningConnection>
  readonly statements: PostgresStatements
  readonly clock: Clock
  readonly random: () => number
  readonly pollMs: number
  readonly timeoutMs: number
  readonly onEntry: (entry: LogEntry) => void
  readonly onMissed: () => void
  readonly report: (error: RealtimeError) => void
}

interface Cursor {
  readonly base: string
  /** The highest transaction whose events were seen. */
  readonly xid: bigint
  /** Those below it that were in progress. */
  readonly open: readonly string[]
}

/** A look at more events than one page has. */
interface Pages {
  /** Of the first page: the others show nothing that came later. */
  snapshot: string | undefined
  count: number
  highest: bigint
  last: SinceRow | undefined
}

interface BeginRow {
  readonly snapshot: string
  readonly base: string
  readonly xid: string
}

interface SinceRow extends BeginRow, EventRow {
  /** `null`: nothing is new. */
  readonly topic: string | null
  readonly epoch: string
  readonly generation: string
}

/** Where a topic stood when it was last heard of. */
interface Heard {
  readonly epoch: string
  readonly offset: number
  readonly at: number
}

const PAGE_EVENTS = 250
/** Beyond so many, reading each topic again is cheaper than telling of every event. */
const MAX_PAGES = 40
const MAX_HEARD_TOPICS = 10_000

export class PostgresTail {
  readonly #options: PostgresTailOptions
  readonly #follower: Follower
  /** Set by the first look, and again when history was lost. */
  #cursor: Cursor | undefined
  /** How far a look has come. Cleared with its last page, and with the cursor. */
  #pages: Pages | undefined
  /** In the order of their last event; see `quietMs`. Cleared with the cursor. */
  readonly #heard = new Map<string, Heard>()
  /** Nothing is known of before, for a topic that is not in `#heard`. */
  #quietSince = 0
  /** Topics that may have more events than are kept. Taken by `takeBusy`. */
  #busy = new Map<string, number>()

  constructor(options: PostgresTailOptions) {
    const { open, clock, random, pollMs, timeoutMs, report } = options
    this.#options = options
    this.#follower = new Follower({
      open,
      clock,
      random,
      pollMs,
      timeoutMs,
      work: (connection) => this.#look(connection),
      onNotification: () => {
        this.wake()
      },
      onOutage(cause) {
        const message = 'The PostgreSQL event log is not followed: the database failed. Trying again.'
        report(new RealtimeError('log-failed', message, { cause }))
      },
    })
  }

  /** Whether notifications tell it of every append. */
  get hearsNotifications(): boolean {
    return this.#follower.hearsNotifications
  }

  /** Something is new. */
  wake(): void {
    this.#follower.wake()
  }

  /** Resolves when there is a cursor: what commits from then on is told. */
  async ready(): Promise<void> {
    if (!this.#cursor) await this.look()
  }

  /** Resolves when all that is visible now has been told. Rejects when the database cannot be reached. */
  look(): Promise<void> {
    return this.#follower.worked()
  }

  /** By what has been told: call it after `look`. */
  quietMs(topic: string): number {
    return Math.max(0, Math.floor(this.#now() - (this.#heard.get(topic)?.at ?? this.#quietSince)))
  }

  /** The topics that were heard of since the last `takeBusy` and had more events than `offset`. */
  takeBusy(offset: number): string[] {
    const busy = [...this.#busy].filter(([, head]) => head > offset).map(([topic]) => topic)
    this.#busy = new Map()
    return busy
  }

  stop(): Promise<void> {
    return this.#follower.stop()
  }

  async #look(connection: ListeningConnection): Promise<void> {
    const cursor = this.#cursor
    if (!cursor) {
      await this.#begin(connection)
      return
    }
    // A look that failed between two pages is gone on with.
    const pages = (this.#pages ??= { snapshot: undefined, count: 0, highest: cursor.xid, last: undefined })
    while (pages.count < MAX_PAGES) {
      const { last } = pages
      const rows = await this.#query<SinceRow>(connection, this.#options.statements.since, [
        cursor.base,
        String(cursor.xid),
        `{${cursor.open.join()}}`,
        PAGE_EVENTS,
        last?.topic ?? null,
        last?.generation ?? null,
        last?.offset ?? null,
        pages.snapshot ?? null,
      ])
      const [row] = rows
      if (!row || row.base !== cursor.base) return this.#restart(connection)
      // Transactions that have not been yet were seen: the database was set back.
      if (parseSnapshot(row.snapshot).next <= cursor.xid) return this.#renew(connection)
      pages.snapshot ??= row.snapshot
      pages.count++
      for (const event of rows) {
        if (event.topic === null) continue
        if (!this.#tell(event, event.topic)) return this.#renew(connection)
        if (BigInt(event.xid) > pages.highest) pages.highest = BigInt(event.xid)
        pages.last = event
      }
      if (rows.length < PAGE_EVENTS) {
        const { open } = parseSnapshot(pages.snapshot)
        const xid = pages.highest
        this.#cursor = { base: cursor.base, xid, open: open.filter((one) => BigInt(one) < xid) }
        this.#pages = undefined
        return
      }
    }
    return this.#restart(connection)
  }

  async #begin(connection: ListeningConnection): Promise<void> {
    const [row] = await this.#query<BeginRow>(connection, this.#options.statements.begin, [])
    if (!row) throw new Error('The schema of the event log is empty.')
    const xid = BigInt(row.xid)
    const open = parseSnapshot(row.snapshot).open.filter((one) => BigInt(one) < xid)
    this.#cursor = { base: row.base, xid, open }
    this.#pages = undefined
    this.#heard.clear()
    this.#quietSince = this.#now()
  }

  /** What lies between is told as missed, and the cursor begins anew. */
  async #restart(connection: ListeningConnection): Promise<void> {
    await this.#begin(connection)
    this.#options.onMissed()
  }

  /** History that was told is gone: the log goes on under another epoch. */
  async #renew(connection: ListeningConnection): Promise<void> {
    await this.#query(connection, this.#options.statements.renew, [this.#cursor?.base ?? ''])
    await this.#restart(connection)
  }

  /** `false`: it was told before, as another event. */
  #tell(row: SinceRow, inTopic: string): boolean {
    const { epoch } = row
    const topic = fromSqlText(inTopic)
    const event = eventFromRow(row)
    const before = this.#heard.get(topic)
    if (before?.epoch === epoch && event.offset <= before.offset) return false
    this.#heard.delete(topic)
    this.#heard.set(topic, { epoch, offset: event.offset, at: this.#now() })
    if (this.#heard.size > MAX_HEARD_TOPICS) this.#letGoOfOldest()
    if (this.#busy.size < MAX_HEARD_TOPICS) this.#busy.set(topic, event.offset)
    if (!this.#follower.isStopped) this.#options.onEntry({ topic, epoch, event })
    return true
  }

  #letGoOfOldest(): void {
    const oldest = this.#heard.entries().next()
    if (oldest.done) return
    this.#heard.delete(oldest.value[0])
    this.#quietSince = Math.max(this.#quietSince, oldest.value[1].at)
  }

  async #query<TRow>(
    connection: ListeningConnection,
    text: string,
    params: unknown[],
  ): Promise<readonly TRow[]> {
    const { clock, timeoutMs } = this.#options
    const { rows } = await inTime(connection.query(text, params), unanswered(clock, timeoutMs))
    return rows as TRow[]
  }

  #now(): number {
    return this.#options.clock.now()
  }
}

/** `xmin:xmax:xip,xip`: what is in progress, and the first number that nobody had. */
function parseSnapshot(text: string): { next: bigint; open: string[] } {
  const [, next = '0', open = ''] = text.split(':')
  return { next: BigInt(next), open: open === '' ? [] : open.split(',') }
}
