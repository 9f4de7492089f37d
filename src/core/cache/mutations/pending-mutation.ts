/** One of the app's mutations, as options carry it, as it runs, and as the app is told of it. */
import type { Mutation, MutationKey, MutationOptions, QueryKey } from '@tanstack/query-core'
import { RealtimeError } from '../../errors.ts'
import type { TemporaryIds } from '../../overlay/temporary-ids.ts'
import type { Effect, ItemId } from '../../routing/effect.ts'
import type { ReadBelow } from './optimistic-host.ts'
import type { PositionSource } from '../positions/position-source.ts'

/**
 * - `queued`: it waits for the network, for its scope, or for a mutation that it depends on;
 * - `saving`: its request is under way;
 * - `confirming`: carried out; its event, or a fetch, has not brought it to every query on screen yet;
 * - `failed`: refused. What it showed is gone;
 * - `unknown`: nobody knows what became of it. What it shows stays until a fetch tells.
 */
export type PendingStatus = 'queued' | 'saving' | 'confirming' | 'failed' | 'unknown'

/** A mutation that is not confirmed, or was refused and is not dealt with yet. */
export interface PendingMutation {
  readonly mutationId: string
  readonly status: PendingStatus
  readonly variables: unknown
  readonly mutationKey: MutationKey | undefined
  /** Why it failed, or why its fate is not known. */
  readonly error: unknown
  /** When `mutate` was called, in epoch ms. */
  readonly submittedAt: number
  /**
   * The rows that it changes, as `upsert`, `patch` and `remove` name them: by the temporary id as well as by the real
   * one, where that is known. `update` and `setData` name none.
   */
  readonly itemIds: readonly ItemId[]
  /** Sends it again: a refused one as a new mutation, one whose fate is unknown under its own mutationId. */
  retry(): void
  /**
   * Gives it up: what it shows goes. One under way is aborted, if its `mutationFn` listens to the signal; it fails with
   * a `RealtimeError` of the code `discarded`, and is not retried.
   */
  discard(): void
}

/** What `mutationFn` gets beside the variables. */
export interface RunContext {
  readonly mutationId: string
  readonly signal: AbortSignal
  received<TSource extends PositionSource>(source: TSource): TSource
}

/** What a realtime mutation consists of; the key under which its options carry it. */
export interface MutationSpec {
  run(variables: unknown, context: RunContext): Promise<unknown>
  guess(variables: unknown, context: { mutationId: string; get: ReadBelow }): readonly Effect[]
  confirm(result: unknown, variables: unknown, mutationId: string): readonly Effect[] | undefined
  isUnknown(error: unknown): boolean
  readonly settle: 'echo' | 'refetch' | undefined
  readonly isIdempotent: boolean | undefined
}

/** A mutation of TanStack's, whatever its types. */
export type AnyMutation = Mutation<unknown, Error, unknown, unknown>

/** A mutation that is to survive a reload, with the ids in its variables that are known by now. */
export interface OpenMutation {
  readonly mutationId: string
  readonly mutation: AnyMutation
  readonly variables: unknown
  /** Why it was refused. @default it was not */
  readonly error: unknown
}

export const REALTIME = Symbol.for('realtime-query-bridge.mutation')

/** Options of a mutation that carry its spec. The symbol is enumerable: TanStack copies options by spreading them. */
export type OptionsWithSpec = MutationOptions<unknown, Error, unknown, unknown> & {
  readonly [REALTIME]?: { readonly spec: MutationSpec; readonly owner: unknown }
}

/** Whether options are those of a mutation of this bridge. */
export const isMutationOf = (owner: object, options: object): boolean =>
  (options as OptionsWithSpec)[REALTIME]?.owner === owner

/** What is kept of a mutation from its beginning until nothing of it is left to be confirmed or dealt with. */
export interface RunningMutation {
  readonly mutationId: string
  readonly spec: MutationSpec
  readonly variables: unknown
  readonly submittedAt: number
  readonly controller: AbortController
  mutation: AnyMutation | undefined
  /** An execution of TanStack's has it. One that was restored is not executed yet. */
  isBound: boolean
  /** It waits for a mutation that makes what it mentions. */
  isWaiting: boolean
  /** Its event has come: it was carried out, whatever the response says. */
  isEchoed: boolean
  fate: 'open' | 'acked' | 'failed' | 'unknown' | 'done'
  error: unknown
  itemIds: readonly ItemId[]
  keys: readonly QueryKey[]
  settled: { readonly promise: Promise<void>; readonly resolve: () => void }
}

/** A mutation as it becomes known. */
export interface Beginning {
  readonly variables: unknown
  readonly context?: object
  readonly mutation?: AnyMutation | undefined
  /** @default a new one */
  readonly mutationId?: string | undefined
}

export function newRunning(
  spec: MutationSpec,
  { variables, context, mutation, mutationId }: Beginning,
  { now, createId }: { now: () => number; createId: () => string },
): RunningMutation {
  return {
    mutationId: mutationId ?? createId(),
    spec,
    variables,
    submittedAt: mutation?.state.submittedAt || now(),
    controller: new AbortController(),
    mutation,
    isBound: context !== undefined,
    isWaiting: false,
    isEchoed: false,
    fate: 'open',
    error: undefined,
    itemIds: [],
    keys: [],
    settled: withResolvers(),
  }
}

/** The rows and the queries that it is about are those of its effects. */
export function nameAfter(running: RunningMutation, effects: readonly Effect[]): void {
  running.itemIds = [...new Set(effects.flatMap((effect) => ('itemId' in effect ? [effect.itemId] : [])))]
  running.keys = effects.map((effect) =>
    effect.kind === 'setData' ? effect.queryKey : (effect.filters.queryKey ?? []),
  )
}

export function abort(controller: AbortController): void {
  controller.abort(new RealtimeError('discarded', 'The mutation was discarded, or the user has changed.'))
}

/** Whether a mutation of the cache is under way with this spec and these variables. */
export function isOf({ state, options }: AnyMutation, spec: MutationSpec, variables: unknown): boolean {
  return (
    state.status === 'pending' &&
    Object.is(state.variables, variables) &&
    (options as OptionsWithSpec)[REALTIME]?.spec === spec
  )
}

/** The id that `onMutate` has put into the state of a mutation: it comes back with it after a reload. */
export function idIn({ state }: AnyMutation): string | undefined {
  const { mutationId } = (state.context ?? {}) as { mutationId?: unknown }
  return typeof mutationId === 'string' ? mutationId : undefined
}

/** What the app is told of it, and can do with it. */
export function describe(
  running: RunningMutation,
  ids: TemporaryIds,
  actions: Pick<PendingMutation, 'retry' | 'discard'>,
): PendingMutation {
  const { mutationId, mutation, variables, error, submittedAt, itemIds } = running
  return {
    mutationId,
    status: statusOf(running),
    variables,
    mutationKey: mutation?.options.mutationKey,
    error: error ?? null,
    submittedAt,
    itemIds: [...new Set(itemIds.flatMap((id) => [ids.keyOf(id), ids.realOf(id)]))],
    ...actions,
  }
}

function statusOf({ fate, isWaiting, mutation }: RunningMutation): PendingStatus {
  if (fate === 'failed' || fate === 'unknown') return fate
  if (fate !== 'open') return 'confirming'
  return isWaiting || mutation?.state.isPaused === true ? 'queued' : 'saving'
}

/** `Promise.withResolvers`, which not every browser has. */
function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
