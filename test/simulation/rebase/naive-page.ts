/**
 * The same app as the documentation of TanStack Query shows it: a snapshot in `onMutate`, put back in `onError`,
 * `invalidateQueries` in `onSettled`, and a socket handler that calls `setQueryData`. And its common variants.
 */
import { MutationObserver, type QueryFunctionContext, type QueryKey } from '@tanstack/query-core'
import type { Fact, Row, Write } from './facts.ts'
import { BOARDS, topicOf, type Board } from './facts.ts'
import { withField, withoutRow, withRow } from './naive-data.ts'
import { Lost } from './network.ts'
import type { Operation } from './operation.ts'
import { Page, type PageOptions } from './page.ts'
import { QUERIES, type RowQuery } from './queries.ts'
import type { Told } from './wire-events.ts'

/**
 * - `documented`: as above.
 * - `guarded`: invalidates only when no other mutation runs.
 * - `trusting`: does not invalidate when a mutation settles.
 * - `counting`: drops events that it knows, and asks for those that it missed.
 * - `invalidating`: events only invalidate.
 */
export type Variant = 'documented' | 'guarded' | 'trusting' | 'counting' | 'invalidating'

type Event = Told & { readonly topic: string; readonly position?: Fact['position'] }

export class NaivePage extends Page {
  readonly #variant: Variant
  readonly #known = new Map<string, number>()
  #isStopped = false

  constructor(options: PageOptions, variant: Variant) {
    super(options)
    this.#variant = variant
  }

  start(): void {
    const { network, index } = this.options
    if (this.#isStopped) return
    network.open(index, {
      onFrame: (frame) => {
        for (const event of frame as Event[]) this.#receive(event)
      },
      onClose: () => {
        this.start()
        if (this.#variant === 'counting') this.#askForMissed()
        else void this.queryClient.invalidateQueries()
      },
    })
  }

  stop(): void {
    this.#isStopped = true
  }

  protected queryFn(query: RowQuery) {
    const { network, index, usesSignal } = this.options
    return async (context: QueryFunctionContext) => {
      if (usesSignal) void context.signal
      const { data } = await network.read(index, query, (context.pageParam as number | null) ?? null)
      return data
    }
  }

  run(operation: Operation): void {
    const { queryClient } = this
    const { network, index, retry } = this.options
    const { write, refused } = operation
    const mutationId = `m${operation.serial}`
    const touched = (key: QueryKey) => QUERIES.find(({ name }) => name === JSON.stringify(key))
    const observer = new MutationObserver<unknown, Error, void, { snapshots: [QueryKey, unknown][] }>(
      queryClient,
      {
        scope: { id: scopeOf(operation) },
        retry: (count, error) => error instanceof Lost && count < retry,
        retryDelay: 100,
        mutationFn: () => network.write(index, write, { mutationId, refused }),
        onMutate: async () => {
          const filters = {
            predicate: ({ queryKey }: { queryKey: QueryKey }) => this.#concerns(queryKey, write),
          }
          await queryClient.cancelQueries(filters)
          const snapshots = queryClient.getQueriesData(filters)
          operation.mutationId = mutationId
          for (const [key, data] of snapshots) {
            const query = touched(key)
            if (query && data !== undefined)
              queryClient.setQueryData(key, guessed(query, data, write, mutationId))
          }
          return { snapshots }
        },
        onSuccess: () => {
          this.ended(operation, undefined)
        },
        onError: (error, _variables, context) => {
          this.ended(operation, error)
          for (const [key, data] of context?.snapshots ?? []) queryClient.setQueryData(key, data)
        },
        onSettled: () => {
          if (this.#variant === 'trusting') return
          if (this.#variant === 'guarded' && queryClient.isMutating() > 1) return
          void queryClient.invalidateQueries({ predicate: ({ queryKey }) => this.#concerns(queryKey, write) })
        },
      },
    )
    observer.mutate().catch(() => undefined)
  }

  #concerns(queryKey: QueryKey, write: Write): boolean {
    const isCounter = queryKey[0] === 'counter'
    return (write.op === 'add') === isCounter
  }

  #receive(event: Event): void {
    const { type, data, topic, position } = event
    const { queryClient } = this
    if (this.#variant === 'counting' && position) {
      const known = this.#known.get(topic) ?? 0
      if (position.offset <= known) return
      this.#known.set(topic, position.offset)
    }
    const { board } = data as { board: Board }
    if (this.#variant === 'invalidating' || type === 'board.touched')
      return void queryClient.invalidateQueries({ predicate: ({ queryKey }) => isOfBoard(queryKey, board) })
    for (const query of QUERIES) {
      if (!query.boards.includes(board)) continue
      queryClient.setQueryData(query.key, (old: unknown) => {
        if (old === undefined) return undefined
        if (type === 'row.saved') return withRow(query, old, data as Row)
        if (type === 'row.deleted') return withoutRow(query, old, (data as { id: string }).id)
        return query.kind === 'counter' ? (data as { counter: unknown }).counter : old
      })
    }
    if (type.startsWith('row')) void queryClient.invalidateQueries({ queryKey: ['stats', board] })
  }

  #askForMissed(): void {
    const { network, index } = this.options
    for (const board of BOARDS) {
      const { epoch, offset } = network.server.position(board)
      const from = this.#known.get(topicOf(board)) ?? offset
      const missed = network.server.missed(board, index, { epoch, offset: from })
      const link = network.links.get(index)
      if (missed) for (const fact of missed) link?.tell(fact)
      else void this.queryClient.invalidateQueries()
    }
  }
}

export const scopeOf = ({ write }: Operation): string =>
  write.op === 'add'
    ? `counter:${write.board}`
    : write.op === 'insert'
      ? `new:${write.row.rank}`
      : `row:${write.id}`

const isOfBoard = (queryKey: QueryKey, board: Board) =>
  QUERIES.some(({ name, boards }) => name === JSON.stringify(queryKey) && boards.includes(board))

function guessed(query: RowQuery, data: unknown, write: Write, mutationId: string): unknown {
  if (write.op === 'insert') return withRow(query, data, { ...write.row, id: mutationId })
  if (write.op === 'set') return withField(query, data, write)
  if (write.op === 'delete') return withoutRow(query, data, write.id)
  const counter = data as { n: number; rev: number }
  return query.kind === 'counter' && query.boards[0] === write.board
    ? { ...counter, n: counter.n + write.by }
    : data
}
