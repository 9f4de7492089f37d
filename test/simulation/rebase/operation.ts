/** A mutation as its author knows it, beside what the server knows of it. */
import type { ModelServer, Row, Write } from './facts.ts'
import type { RowQuery } from './queries.ts'

export interface Operation {
  /** In the order in which they begin. */
  readonly serial: number
  /** The serial of the first attempt, when it was refused and is tried again. */
  readonly asked: number
  readonly client: number
  /** Rows by the ids that the author knew when it began. */
  readonly write: Write
  /** The server will say no. */
  readonly refused: boolean
  /** Known once it has begun. */
  mutationId: string | undefined
  /** `pending` until something is heard of it; `failed`: refused; `unknown`: nothing was heard in the end. */
  state: 'pending' | 'acked' | 'failed' | 'unknown'
  /** When its request has left first. */
  sentAt?: number | undefined
  /** When it became unknown. */
  unknownAt?: number | undefined
  /** The page was loaded again since it was answered: what it did comes with its event. */
  isOfThePast?: boolean
}

/** The row that it is about, by the id that it was made under. */
export function rowKeyOf({ write, mutationId }: Operation, server: ModelServer): string | undefined {
  if (write.op === 'add') return undefined
  return write.op === 'insert' ? (mutationId ?? write.row.id) : server.keyOf(write.id)
}

/** How long a response is held at most. */
export const BARRIER_TIMEOUT_MS = 10_000

/**
 * Whether it is about a row that its author has made, and that nothing has named for so long that responses are held
 * no longer: nobody can tell the row from others.
 */
export function isOfUnnamedRow(
  operation: Operation,
  { operations, server, now }: { operations: readonly Operation[]; server: ModelServer; now: number },
): boolean {
  const key = rowKeyOf(operation, server)
  return operations.some(
    ({ write, mutationId, state, sentAt = Infinity }) =>
      write.op === 'insert' && mutationId === key && state !== 'acked' && now - sentAt >= BARRIER_TIMEOUT_MS,
  )
}

/** How an operation shows in a query: `beaten`: by something newer. `absent`: this query cannot tell. */
export type Showing = 'shown' | 'hidden' | 'beaten' | 'absent'

export interface View {
  readonly query: RowQuery
  /** By the id that they were made under. */
  readonly rows: ReadonlyMap<string, Row>
}

export function showing(
  operation: Operation,
  { query, rows }: View,
  { operations, server }: { operations: readonly Operation[]; server: ModelServer },
): Showing {
  const { write } = operation
  const key = rowKeyOf(operation, server)
  if (key === undefined || (query.kind === 'detail' && key !== query.id)) return 'absent'
  if (query.kind === 'stats' || query.kind === 'counter') return 'absent'
  const row = rows.get(key)
  if (write.op === 'delete') return row ? 'hidden' : 'shown'
  if (!row) {
    if (query.kind === 'open' || query.kind === 'feed') return 'absent'
    const isGone =
      server.deletedAt.has(key) ||
      ownLater(operation, operations, server, key).some(isDelete) ||
      operations.some(({ state, mutationId }) => mutationId === key && isNothing(state, key, server))
    return isGone ? 'beaten' : 'hidden'
  }
  if (write.op === 'insert') return 'shown'
  if (write.op === 'add') return 'absent'
  const shown = row[write.field]
  if (shown === write.value) return 'shown'
  const isOwn = ownLater(operation, operations, server, key).some(
    (later) => later.write.op === 'set' && later.write.field === write.field && later.write.value === shown,
  )
  if (isOwn) return 'beaten'
  const fact = operation.mutationId === undefined ? undefined : server.factOf(operation.mutationId)
  const shownRev = server.revOfValue.get(shown) ?? 0
  return fact && shownRev > fact.rev ? 'beaten' : 'hidden'
}

/** It was refused, or has never reached the server. */
const isNothing = (state: Operation['state'], mutationId: string, server: ModelServer) =>
  state === 'failed' || (state === 'unknown' && !server.factOf(mutationId))

const isDelete = ({ write }: Operation) => write.op === 'delete'

function ownLater(
  { serial }: Operation,
  operations: readonly Operation[],
  server: ModelServer,
  key: string,
): Operation[] {
  return operations.filter(
    (other) => other.serial > serial && other.state !== 'failed' && rowKeyOf(other, server) === key,
  )
}
