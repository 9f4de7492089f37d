/**
 * The app's mutations that are not confirmed yet: those made with `realtimeMutationOptions`, as TanStack runs them.
 * Each has one mutationId from its beginning to its end, over retries and reloads; the server knows by it that it has
 * seen the mutation before.
 */
import {
  MutationObserver,
  partialMatchKey,
  type MutationCacheNotifyEvent,
  type QueryClient,
  type QueryKey,
} from '@tanstack/query-core'
import { RealtimeError } from '../../errors.ts'
import type { Positions } from '../../overlay/fact.ts'
import type { TemporaryIds } from '../../overlay/temporary-ids.ts'
import type { Effect, ItemId } from '../../routing/effect.ts'
import { Executions } from './executions.ts'
import { mentionedBy, waitForDependencies } from './mutation-dependencies.ts'
import type { ReadBelow } from './optimistic-host.ts'
import type { Optimistic } from './optimistic.ts'
import {
  abort,
  describe,
  idIn,
  REALTIME,
  nameAfter,
  newRunning,
  type AnyMutation,
  type Beginning,
  type MutationSpec,
  type OpenMutation,
  type OptionsWithSpec,
  type PendingMutation,
  type RunningMutation,
} from './pending-mutation.ts'
import { positionsOf, type PositionSource } from '../positions/position-source.ts'

/** How many of one's own mutationIds are remembered; at the limit the older half is forgotten. */
const MAX_OWN = 1_000

/** Refused mutations that the app has not dealt with. At the limit the oldest is forgotten. */
const MAX_FAILED = 100

export interface PendingMutationsOptions {
  queryClient: QueryClient
  optimistic: Optimistic
  ids: TemporaryIds
  /** Tells the mutations of one bridge from those of another over the same client. */
  owner: unknown
  readonly now: () => number
  readonly createId: () => string
  /** What brings the confirmed data, when a mutation does not say. */
  readonly settle: () => 'echo' | 'refetch'
  /** `list` gives another. */
  readonly onChange: () => void
  readonly onError: (error: RealtimeError) => void
}

export class PendingMutations {
  readonly #options: PendingMutationsOptions
  readonly #byId = new Map<string, RunningMutation>()
  readonly #executions: Executions
  /** Sent again, by their variables. */
  readonly #again = new Map<unknown, RunningMutation[]>()
  /** Every mutationId of this client, the last ones. */
  readonly #own = new Set<string>()
  #snapshots = new Map<string, readonly PendingMutation[]>()
  #detach: (() => void) | undefined

  constructor(options: PendingMutationsOptions) {
    this.#options = options
    this.#executions = new Executions(options.queryClient.getMutationCache())
    options.optimistic.subscribe((mutationId) => {
      this.#confirmed(mutationId)
    })
  }

  /** Follows the mutation cache. Mutations that were restored from a dehydrated state are shown at once. */
  start(): void {
    const cache = this.#options.queryClient.getMutationCache()
    for (const mutation of cache.getAll()) this.#restored(mutation)
    this.#detach = cache.subscribe((event) => {
      this.#onCacheEvent(event)
    })
  }

  stop(): void {
    this.#detach?.()
    this.#detach = undefined
  }

  /** Forgets everything; requests under way are aborted. */
  clear(): void {
    for (const { controller, settled } of this.#byId.values()) {
      abort(controller)
      settled.resolve()
    }
    this.#byId.clear()
    this.#options.ids.clear()
    this.#changed()
  }

  /** Whether a mutation is one of this client. */
  isOwn(mutationId: string | undefined): boolean {
    return mutationId !== undefined && this.#own.has(mutationId)
  }

  /** The id under which a row was first shown. */
  keyOf(id: ItemId): ItemId {
    return this.#options.ids.keyOf(id)
  }

  /** What is not confirmed, oldest first; with a key, what touches queries under it. The same list until it changes. */
  list(queryKey: QueryKey = []): readonly PendingMutation[] {
    const name = JSON.stringify(queryKey)
    let list = this.#snapshots.get(name)
    if (list === undefined) {
      const matching = [...this.#byId.values()].filter(({ keys }) => {
        return (
          queryKey.length === 0 ||
          keys.some((key) => partialMatchKey(key, queryKey) || partialMatchKey(queryKey, key))
        )
      })
      list = matching.map((running) => {
        const retry = () => {
          this.#retry(running)
        }
        const discard = () => {
          this.#discard(running)
        }
        return describe(running, this.#options.ids, { retry, discard })
      })
      this.#snapshots.set(name, list)
    }
    return list
  }

  /** `mutate` was called: the mutation is shown. */
  begin(spec: MutationSpec, variables: unknown, context: object): string {
    const mutation = this.#executions.begun(spec, variables)
    return this.#begin(spec, { variables, context, mutation }).mutationId
  }

  /**
   * What is to survive a reload, oldest first: the mutations that nobody knows to be carried out, and those that were
   * refused and that the app has not dealt with.
   */
  open(): readonly OpenMutation[] {
    const open: OpenMutation[] = []
    for (const { mutationId, mutation, variables, fate, isEchoed, error } of this.#byId.values()) {
      const isOpen = fate === 'open' && !isEchoed
      if ((!isOpen && fate !== 'failed') || mutation === undefined) continue
      open.push({ mutationId, mutation, variables: this.#options.ids.rewrite(variables), error })
    }
    return open
  }

  /** Whether a mutation is known to be carried out: its event has come. */
  isEchoed(mutationId: string | undefined): boolean {
    return this.#byId.get(mutationId ?? '')?.isEchoed === true
  }

  /** Shows a mutation that was restored, whether the bridge is started or not; one that was refused is listed. */
  adopt(mutation: AnyMutation): void {
    const { status, error, variables } = mutation.state
    const mutationId = idIn(mutation)
    const spec = this.#specOf(mutation)
    if (status !== 'error' || spec === undefined || mutationId === undefined) {
      this.#restored(mutation)
      return
    }
    const { queryClient } = this.#options
    const running = this.#track(spec, { variables, mutation, mutationId })
    running.fate = 'failed'
    running.error = error
    running.settled.resolve()
    try {
      // For the rows that it is about: nothing of it is shown.
      this.#guess(running, (queryKey) => queryClient.getQueryData(queryKey))
    } catch {
      // Without its data it cannot tell. When it is tried again, it can.
    }
    this.#changed()
  }

  /** Whether a mutation is known by this id. */
  has(mutationId: string): boolean {
    return this.#byId.has(mutationId)
  }

  /** For what is built upon pending mutations: tells the app. */
  report(error: RealtimeError): void {
    this.#options.onError(error)
  }

  /** One attempt of the request. */
  async run(spec: MutationSpec, variables: unknown, context: object): Promise<unknown> {
    const { optimistic, ids } = this.#options
    const running = this.#running(spec, variables, context)
    const { mutationId, controller } = running
    optimistic.retried(mutationId)
    if (running.fate === 'unknown') running.fate = 'open'
    await waitForDependencies(running, { byId: this.#byId, ids, onChange: this.#changed })
    controller.signal.throwIfAborted()
    const known = ids.rewrite(variables)
    let positions: Positions | undefined
    optimistic.sent(mutationId)
    const received = <TSource extends PositionSource>(source: TSource): TSource => {
      positions = positionsOf(source)
      return source
    }
    let result: unknown
    try {
      // Not `this`: what the app destructures must work.
      result = await spec.run(known, { ...context, mutationId, signal: controller.signal, received })
    } catch (error) {
      // However the app's client words it: it is over, and not to be retried.
      controller.signal.throwIfAborted()
      throw error
    }
    running.fate = 'acked'
    optimistic.ack(mutationId, { positions, effects: this.#confirm(running, result, known) })
    this.#settle(running)
    return result
  }

  /** Every attempt has failed. */
  failed(
    spec: MutationSpec,
    { error, variables, context }: { error: unknown; variables: unknown; context: object },
  ): void {
    const { optimistic } = this.#options
    const running = this.#running(spec, variables, context)
    running.error = error
    if (running.controller.signal.aborted) return
    if (running.fate === 'done' || running.fate === 'acked') return
    if (running.isEchoed) {
      running.fate = 'acked'
      optimistic.answered(running.mutationId)
    } else if (spec.isUnknown(error)) {
      running.fate = 'unknown'
      optimistic.unknown(running.mutationId)
    } else {
      optimistic.reject(running.mutationId)
      running.fate = 'failed'
    }
    this.#settle(running)
    this.#bound()
  }

  #begin(spec: MutationSpec, from: Beginning): RunningMutation {
    const { optimistic, ids, settle } = this.#options
    const again = this.#takeAgain(from.variables)
    const isSame = again?.fate === 'unknown'
    const running = this.#track(spec, {
      ...from,
      mutationId: from.mutationId ?? (isSame ? again.mutationId : undefined),
    })
    const { mutationId, mutation } = running
    if (again) {
      running.itemIds = again.itemIds
      running.keys = again.keys
      if (!isSame) ids.renamed(again.mutationId, mutationId)
    }
    optimistic.begin({
      mutationId,
      scope: mutation?.options.scope?.id,
      // Also one that nothing on screen shows: it may be shown again.
      follows: mentionedBy(running, ids, (id) => this.#byId.has(id) || optimistic.isKnown(id)),
      inPlaceOf: again?.mutationId,
      isIdempotent: spec.isIdempotent,
      settle: spec.settle ?? settle(),
      guess: (get) => this.#guess(running, get),
    })
    this.#changed()
    return running
  }

  #takeAgain(variables: unknown): RunningMutation | undefined {
    const [again, ...others] = this.#again.get(variables) ?? []
    if (others.length > 0) this.#again.set(variables, others)
    else this.#again.delete(variables)
    return again
  }

  /** From now on it is known. */
  #track(spec: MutationSpec, from: Beginning): RunningMutation {
    const running = newRunning(spec, from, this.#options)
    this.#byId.set(running.mutationId, running)
    this.#own.add(running.mutationId)
    if (this.#own.size > MAX_OWN)
      for (const oldest of [...this.#own].slice(0, MAX_OWN / 2)) this.#own.delete(oldest)
    this.#executions.add(running, from.context)
    return running
  }

  /** What it does, with the ids that are known by now. */
  #guess(running: RunningMutation, get: ReadBelow): readonly Effect[] {
    const { spec, variables, mutationId } = running
    const effects = spec.guess(this.#options.ids.rewrite(variables), { mutationId, get })
    nameAfter(running, effects)
    return effects
  }

  /** The mutation of an attempt. One that was restored has never been through `onMutate`. */
  #running(spec: MutationSpec, variables: unknown, context: object): RunningMutation {
    const bound = this.#executions.in(context)
    if (bound) return bound
    const mutation = this.#executions.unbound(spec, variables)
    const known = mutation && (this.#executions.of(mutation) ?? this.#byId.get(idIn(mutation) ?? ''))
    const running =
      known ?? this.#begin(spec, { variables, context, mutation, mutationId: mutation && idIn(mutation) })
    this.#executions.add(running, context, mutation)
    return running
  }

  /** Of a mutation of this bridge that is not known yet. */
  #specOf(mutation: AnyMutation): MutationSpec | undefined {
    const own = (mutation.options as OptionsWithSpec)[REALTIME]
    const isKnown = this.#executions.of(mutation) !== undefined || this.#byId.has(idIn(mutation) ?? '')
    return own?.owner === this.#options.owner && !isKnown ? own?.spec : undefined
  }

  /** A mutation from a dehydrated state: it is shown before it runs, and under its own id. */
  #restored(mutation: AnyMutation): void {
    const spec = this.#specOf(mutation)
    const { status, variables } = mutation.state
    if (spec === undefined || status !== 'pending') return
    const running = this.#begin(spec, { variables, mutation, mutationId: idIn(mutation) })
    this.#executions.bindWhenSent(running, mutation)
    // The page that it comes from may have sent it.
    this.#options.optimistic.sent(running.mutationId)
  }

  #onCacheEvent(event: MutationCacheNotifyEvent): void {
    const mutation = event.mutation as AnyMutation | undefined
    if (mutation === undefined) return
    if (event.type === 'added') this.#restored(mutation)
    const running = this.#executions.of(mutation)
    if (running === undefined) return
    if (event.type === 'removed' && mutation.state.status === 'pending' && mutation.state.isPaused) {
      // It will never run, not even when TanStack is about to go on with it.
      abort(running.controller)
      this.#byId.delete(running.mutationId)
      this.#options.optimistic.reject(running.mutationId)
      this.#settle(running)
    } else if (event.type === 'updated') this.#changed()
  }

  /** What the server has said, as effects. When `confirm` fails, the guess stays until the echo or a fetch. */
  #confirm(
    { spec, mutationId }: RunningMutation,
    result: unknown,
    variables: unknown,
  ): readonly Effect[] | undefined {
    try {
      return spec.confirm(result, variables, mutationId)
    } catch (cause) {
      const message =
        'confirm threw. The mutation counts as carried out; what it shows stays until the server tells.'
      this.#options.onError(new RealtimeError('handler-failed', message, { cause, details: { mutationId } }))
      return undefined
    }
  }

  /** Its echo has come, or nothing of it is left to be confirmed. */
  #confirmed(mutationId: string): void {
    const running = this.#byId.get(mutationId)
    if (running === undefined) return
    if (running.fate === 'open') {
      running.isEchoed = true
      // The echo was faster than the response; those that wait for its row know the real id now.
      running.settled.resolve()
    } else if (running.fate !== 'failed' && !this.#options.optimistic.has(mutationId)) {
      running.fate = 'done'
      this.#byId.delete(mutationId)
    }
    this.#changed()
  }

  #settle(running: RunningMutation): void {
    running.settled.resolve()
    if (
      running.fate !== 'open' &&
      running.fate !== 'failed' &&
      !this.#options.optimistic.has(running.mutationId)
    ) {
      running.fate = 'done'
      this.#byId.delete(running.mutationId)
    }
    this.#changed()
  }

  #bound(): void {
    const failed = [...this.#byId.values()].filter(({ fate }) => fate === 'failed')
    for (const { mutationId } of failed.slice(0, -MAX_FAILED)) this.#byId.delete(mutationId)
  }

  #retry(running: RunningMutation): void {
    const { fate, mutation, variables, mutationId } = running
    if ((fate !== 'failed' && fate !== 'unknown') || mutation === undefined) return
    this.#byId.delete(mutationId)
    this.#again.set(variables, [...(this.#again.get(variables) ?? []), running])
    const observer = new MutationObserver(this.#options.queryClient, mutation.options)
    // Its failure is told by the list, and by the callbacks of its options.
    observer.mutate(variables).catch(() => undefined)
  }

  #discard(running: RunningMutation): void {
    const { mutationId, mutation, controller, fate } = running
    // What depends on it is not to be sent.
    running.fate = 'failed'
    this.#byId.delete(mutationId)
    abort(controller)
    this.#options.optimistic.reject(mutationId)
    if (mutation && (mutation.state.isPaused || fate !== 'open')) {
      const cache = this.#options.queryClient.getMutationCache()
      cache.remove(mutation)
      // TanStack may have gone on with it this very moment, and not with the next one of its scope.
      cache.runNext(mutation).catch(() => undefined)
    }
    running.settled.resolve()
    this.#changed()
  }

  readonly #changed = (): void => {
    this.#snapshots = new Map()
    this.#options.onChange()
  }
}
