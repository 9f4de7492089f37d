/** The same app with the bridge. */
import {
  dehydrate,
  type DehydrateOptions,
  hydrate,
  MutationObserver,
  type MutationOptions,
} from '@tanstack/query-core'
import { RealtimeQueryBridge } from '../../../src/bridge.ts'
import type { RealtimeError } from '../../../src/core/errors.ts'
import type { EventTable } from '../../../src/core/routing/event-table.ts'
import { positioned } from '../../../src/features.ts'
import { dehydrateBase, dehydrateWithPositions } from '../../../src/persist/dehydrate-base.ts'
import { realtimeMutationOptions, type WithMutationId } from '../../../src/mutation-options.ts'
import { appEvents, changedBeside, deleted, guessed, saved, touched } from './app-events.ts'
import { isIdempotent } from './configurations.ts'
import { boardOf, ModelServer, type Write } from './facts.ts'
import { Lost, type Positions, type WriteAnswer } from './network.ts'
import type { Operation } from './operation.ts'
import { Page, type PageOptions } from './page.ts'
import { inWords, type RowQuery } from './queries.ts'

interface Variables {
  readonly serial: number
  readonly write: Write
  readonly refused: boolean
}

const FRAME_MS = 16

export class BridgePage extends Page {
  readonly errors: RealtimeError[] = []
  /** Operations whose event has been applied. */
  readonly echoed = new Set<string>()
  readonly read = new Map<string, Positions>()
  /** Counts what may change what is expected. */
  version = 0
  bridge: RealtimeQueryBridge<EventTable>
  #clock
  #life = 0
  #ids = 0

  constructor(options: PageOptions) {
    super(options)
    this.#clock = options.time.clock()
    this.bridge = this.#newBridge()
  }

  start(): void {
    this.bridge.start()
  }

  stop(): void {
    this.bridge.stop()
  }

  protected queryFn(query: RowQuery) {
    const { network, index, usesSignal } = this.options
    return positioned(this.bridge, async (context) => {
      if (usesSignal) void context.signal
      const after = (context.pageParam as number | null | undefined) ?? null
      const { data, positions } = await network.read(index, query, after)
      if (network.configuration.positions) {
        this.#noteRead(query, positions)
        context.received(positions)
      }
      return data
    })
  }

  /** How far any response of a query has come: its pages are read one after the other. */
  #noteRead({ name }: RowQuery, positions: Positions): void {
    const before = this.read.get(name) ?? {}
    const further = Object.entries(positions).filter(
      ([topic, position]) => !before[topic] || ModelServer.reaches(position, before[topic]),
    )
    this.read.set(name, { ...before, ...Object.fromEntries(further) })
  }

  run(operation: Operation): void {
    this.version += 1
    const { asked: serial, write, refused } = operation
    const observer = new MutationObserver(this.queryClient, {
      ...this.#mutationOptions(write.op),
      scope: { id: this.#scopeOf(write) },
    })
    observer.mutate({ serial, write, refused }).catch(() => undefined)
  }

  /**
   * What the app writes is the base from then on, and no position says what is in it. So nothing is promised of this
   * query any more but that it ends as the server.
   */
  override rewrite(query: RowQuery): void {
    const found = this.bridge.inspect(query.key)
    if (found && (found.pending.length > 0 || found.positions)) this.foreign.add(query)
    super.rewrite(query)
  }

  override describe(query: RowQuery): string {
    const found = this.bridge.inspect(query.key)
    if (!found) return super.describe(query)
    const { base, positions, isLive, pending } = found
    const at = Object.values(positions ?? {}).map(({ epoch, offset }) => `${epoch}:${offset}`)
    const where = `${isLive ? 'live' : 'frozen'} at ${at.join()} over ${inWords(query, base)}`
    return `${super.describe(query)}, ${where}, pending ${pending.join()}`
  }

  override save(write: Write, id: string): void {
    const { network, index } = this.options
    const life = this.#life
    const written = ({ fact: { write: done, row } }: WriteAnswer) => {
      if (life !== this.#life || done.op === 'add') return
      const known = done.op === 'delete' ? deleted(done.id) : saved(row!, network.configuration)
      // Events may have overtaken the answer, so it is shown, and fetched.
      this.bridge.write([...known, ...touched(boardOf(done))])
    }
    // Refused, it has changed nothing.
    network.write(index, write, { mutationId: id, refused: false }).then(written, () => undefined)
  }

  override settleFailed(luck: number): void {
    for (const pending of this.bridge.pendingMutations()) {
      if (pending.status !== 'failed') continue
      if (luck % 2 === 1) pending.discard()
      else {
        const failed = this.operationOf((pending.variables as Variables).serial)
        this.#again(failed)
        pending.retry()
      }
    }
  }

  /** It begins anew: after all that has begun meanwhile, but for what waits for the row that it makes. */
  #again(failed: Operation): void {
    const { operations, options } = this
    const waiting = operations.findIndex(
      ({ write, state }) =>
        state === 'pending' &&
        (write.op === 'set' || write.op === 'delete') &&
        options.network.server.keyOf(write.id) === failed.mutationId,
    )
    const at = waiting < 0 ? operations.length : waiting
    const [before = 0, after = before + 0.02] = operations.slice(at - 1, at + 1).map(({ serial }) => serial)
    const serial = (before + after) / 2
    operations.splice(at, 0, { ...failed, serial, mutationId: undefined, state: 'pending' })
    this.version += 1
  }

  #scopeOf(write: Write): string {
    if (write.op === 'add') return `counter:${write.board}`
    return write.op === 'insert' ? `new:${write.row.rank}` : `row:${this.bridge.keyOf(write.id)}`
  }

  #mutationOptions(
    op: Write['op'],
  ): MutationOptions<WriteAnswer, Error, Variables, WithMutationId<undefined>> {
    const life = this.#life
    const { network, index, retry } = this.options
    const { configuration } = network
    const { ids, positions, settle } = configuration
    const options = realtimeMutationOptions<WriteAnswer, Error, Variables>(this.bridge, {
      mutationKey: [op],
      idempotent: isIdempotent(op, configuration),
      ...(settle && { settle }),
      retry: (count: number, error: Error) => error instanceof Lost && count < retry,
      retryDelay: 100,
      isUnknown: (error: unknown) => error instanceof Lost,
      optimistic: ({ serial, write: wanted }, { get, mutationId }) => {
        this.operationOf(serial).mutationId = mutationId
        // A creation that is tried again makes its row under another id.
        for (const { asked, mutationId: before } of this.operations)
          if (wanted.op === 'insert' && asked === serial && before !== undefined && before !== mutationId)
            network.server.renamed(before, mutationId)
        return guessed(wanted, get, mutationId)
      },
      mutationFn: async ({ serial, write: wanted, refused }, { mutationId, received }) => {
        if (life !== this.#life) return await new Promise<never>(() => undefined)
        const operation = this.operationOf(serial)
        operation.mutationId = mutationId
        operation.sentAt ??= this.options.time.now
        const answer = await network.write(index, wanted, { mutationId, refused })
        if (positions) received(answer.positions)
        this.ended(operation, undefined)
        return answer
      },
      ...(op === 'insert' &&
        ids === 'server' && { confirm: ({ fact }: WriteAnswer) => saved(fact.row!, configuration) }),
      // Nobody tells the author of its own writes: what they change beside their rows is the app's to know.
      ...(settle === 'refetch' && {
        onSettled: (_result, _error, { write: done }: Variables) => {
          if (life === this.#life) this.bridge.write(changedBeside(done))
        },
      }),
      onError: (error: Error, { serial }: Variables) => {
        if (life === this.#life) this.ended(this.operationOf(serial), error)
      },
    })
    return {
      ...options,
      // Known before it is shown, also of one that is not sent because another has failed.
      mutationFn: async (variables, context) => {
        try {
          return await options.mutationFn!(variables, context)
        } catch (error) {
          // Lost ones are sent again: what they were is told in the end.
          if (life === this.#life && !(error instanceof Lost))
            this.ended(this.operationOf(variables.serial), error)
          throw error
        }
      },
    }
  }

  override isKnown(operation: Operation): boolean {
    return super.isKnown(operation) || this.echoed.has(operation.mutationId ?? '')
  }

  override unknownOver({ key }: RowQuery): readonly Operation[] {
    const pending = this.bridge.inspect(key)?.pending ?? []
    return this.operations.filter(
      ({ state, mutationId = '' }) => state === 'unknown' && pending.includes(mutationId),
    )
  }

  protected override ended(operation: Operation, error: unknown): void {
    this.version += 1
    super.ended(operation, error)
  }

  operationOf(serial: number): Operation {
    return this.operations.findLast(({ asked }) => asked === serial)!
  }

  /** The page is loaded again: what it had asked for is lost, what it has persisted is there. */
  override async reload(): Promise<void> {
    const { queryClient: old, bridge } = this
    const options: DehydrateOptions = {
      shouldDehydrateMutation: ({ state }) => state.status === 'pending',
      shouldDehydrateQuery: ({ state }) => state.data !== undefined,
    }
    const { travels } = this.options.network.configuration
    const kept = travels
      ? dehydrateWithPositions(bridge, options)
      : dehydrate(old, dehydrateBase(bridge, options))
    const goingOn = new Set<string | undefined>()
    for (const { state } of kept.mutations) {
      state.isPaused = true
      goingOn.add((state.context as WithMutationId<undefined> | undefined)?.mutationId)
    }
    this.#life += 1
    this.version += 1
    const shown = this.leave()
    this.echoed.clear()
    for (const operation of this.operations)
      if (operation.state !== 'pending' || !goingOn.has(operation.mutationId)) operation.isOfThePast = true
      // The page that it comes from may have sent it.
      else operation.sentAt ??= this.options.time.now
    this.queryClient = this.newQueryClient()
    this.bridge = this.#newBridge()
    for (const op of ['insert', 'set', 'delete', 'add'] as const)
      this.queryClient.setMutationDefaults([op], this.#mutationOptions(op))
    this.queryClient.mount()
    this.start()
    hydrate(this.queryClient, structuredClone(kept))
    for (const query of shown) this.mount(query)
    void this.queryClient.resumePausedMutations()
  }

  #newBridge(): RealtimeQueryBridge<EventTable> {
    const { network, index, framesTakeTime } = this.options
    const bridge = new RealtimeQueryBridge<EventTable>({
      queryClient: this.queryClient,
      events: appEvents(network.configuration),
      transport: network.transport(index),
      clock: this.#clock,
      random: () => 0.5,
      createId: () => `m${index}.${(this.#ids += 1)}`,
      requestFrame: (callback) => this.#clock.after(framesTakeTime ? FRAME_MS : 0, callback),
      signals: { isOnline: () => true, listen: () => () => undefined },
      onError: (error) => this.errors.push(error),
    })
    for (const type of bridge.events.types) {
      bridge.on(type, (_, { mutationId }) => {
        this.version += 1
        if (mutationId !== undefined) this.echoed.add(mutationId)
      })
    }
    return bridge
  }
}
