/**
 * The event log port: what the server keeps of each topic, so that a client that was away is told what it
 * missed. `memoryEventLog` is the one built in; a log shared by many nodes implements the same five functions
 * and runs `eventLogContract` (from the testing entry).
 *
 * What every log promises:
 * - Offsets of a topic count 1, 2, 3, … without a hole, in the order in which the events became visible: an
 *   event that can be read is never preceded by one that will only be visible later.
 * - When history is lost, whole or in part (restart, eviction, failover), the topic gets a new epoch. Two
 *   histories never share one.
 * - A listener hears every event of every topic, whichever node appended it, once and in the order of its topic.
 *   Any event that a `read` or `head` begun after `subscribe` does not tell of is heard; a log whose
 *   subscription takes a round trip lets these calls wait for it. A log that cannot keep this promise for a while
 *   (cut off for longer than it can catch up with, history lost) says so with `onMissed`, and goes on.
 * - Topics and event types are data: `__proto__` or `a:b` is a name like any other.
 */
import type { Position } from '../core/event.ts'

/** An event as it is appended. */
export interface NewLogEvent {
  readonly type: string
  /** The event's data as JSON text: written once by the publisher, and sent as it is from then on. */
  readonly json: string
  readonly mutationId?: string | undefined
}

/** An event as it stands in the log. */
export interface LogEvent extends NewLogEvent {
  readonly offset: number
}

/** An event that has just become visible. */
export interface LogEntry {
  readonly topic: string
  readonly epoch: string
  readonly event: LogEvent
}

/**
 * - `events`: what follows `after`, at most `limit` of them, without a hole; there may be more when it is full.
 * - `reset`: what follows `after` is not known, because its epoch is another one, because it was trimmed, or
 *   because `after` lies in the future.
 *
 * `head` is the position of the newest event, or offset 0.
 */
export type LogRead =
  | { readonly outcome: 'events'; readonly events: readonly LogEvent[]; readonly head: Position }
  | { readonly outcome: 'reset'; readonly head: Position }

/** Must not throw. */
export type LogListener = (entry: LogEntry) => void

export interface EventLog {
  /** Resolves with the event's position once it can be read. Rejects when it is not certain to be kept. */
  append(topic: string, event: NewLogEvent): Promise<Position>
  /**
   * For a log that lives in the app's database: appends within a transaction of the app, whose commit makes the event
   * visible. `tx` is what the app runs its own statements with.
   */
  appendIn?(tx: unknown, topic: string, event: NewLogEvent): Promise<void>
  read(topic: string, after: Position, limit: number): Promise<LogRead>
  /** A topic that has no event yet has a head as well: offset 0 of an epoch. */
  head(topic: string): Promise<Position>
  /**
   * The heads of several topics at once, or within a transaction of the app as it sees them, its own events included.
   * A log that leaves it out is asked for one after the other, and knows no transactions.
   */
  position?(topics: readonly string[], tx?: unknown): Promise<Record<string, Position>>
  /**
   * For how long nothing has been appended to the topic, in ms, rounded down: a lower bound. It saves clients that
   * subscribe for the first time, or have lost the history, a second fetch. A log that leaves it out does not know.
   */
  quietMs?(topic: string): Promise<number>
  /**
   * Hears what is appended from now on. Returns what ends it.
   *
   * `onMissed`: events of any topic may have passed unheard, so what is known of each must be read again. What is
   * heard afterwards comes after what was missed. Must not throw.
   */
  subscribe(listener: LogListener, onMissed?: () => void): () => void
  /** Releases connections and timers. Nothing is heard afterwards, and the other functions reject. */
  close(): Promise<void>
}
