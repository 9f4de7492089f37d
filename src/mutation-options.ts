import type {
  DataTag,
  MutationFunctionContext,
  MutationObserverOptions,
  QueryKey,
} from '@tanstack/query-core'
import type { RealtimeQueryBridge } from './bridge.ts'
import { REALTIME, type MutationSpec } from './core/cache/mutations/pending-mutation.ts'
import type { PositionSource } from './core/cache/positions/position-source.ts'
import { RealtimeError } from './core/errors.ts'
import type { Effect } from './core/routing/effect.ts'
import type { EventTable, PredictedEvent } from './core/routing/event-table.ts'
import { mutationsOf } from './features.ts'

/** What a mutation shows, or what the server has confirmed: effects, or predicted events. */
export type MutationEffects = Effect | PredictedEvent | readonly (Effect | PredictedEvent)[]

/** What `mutationFn` gets beside the variables: TanStack's context, and what ties the request to what is shown. */
export interface RealtimeMutationContext extends MutationFunctionContext {
  /** The idempotency key: the same over retries and reloads. Send it along, e.g. as the header `Idempotency-Key`. */
  readonly mutationId: string
  /** Aborted when the mutation is discarded, or the user has changed. */
  readonly signal: AbortSignal
  /** Notes the positions that the response states, and gives it back. */
  received<TSource extends PositionSource>(source: TSource): TSource
}

/** What `optimistic` gets beside the variables. */
export interface OptimisticContext {
  /** The id to show a row under that the server has not named yet. */
  readonly mutationId: string
  /** What the cache shows below this mutation. When it changes, `optimistic` runs again. */
  get<TQueryKey extends QueryKey>(queryKey: TQueryKey): DataOf<TQueryKey> | undefined
}

/** The data of a tagged key (`queryOptions(…).queryKey`); of any other, unknown. */
export type DataOf<TQueryKey> = TQueryKey extends DataTag<unknown, infer TData, unknown> ? TData : unknown

/** What TanStack's callbacks get from `onMutate`, with the id added. */
export type WithMutationId<TOnMutateResult> = (TOnMutateResult extends object ? TOnMutateResult : unknown) & {
  readonly mutationId: string
}

export interface RealtimeMutationOptions<
  TData = unknown,
  TError = Error,
  TVariables = void,
  TOnMutateResult extends object | undefined | void = undefined,
> extends Omit<
  MutationObserverOptions<TData, TError, TVariables, WithMutationId<TOnMutateResult>>,
  'mutationFn' | 'onMutate' | '_defaulted'
> {
  /** Sends the mutation. Reject when the server refuses it. */
  mutationFn: (variables: TVariables, context: RealtimeMutationContext) => Promise<TData>
  /**
   * What to show until the server has told: effects, or `events.predict(type, data)`. Pure. It runs again whenever what
   * it has read changes, so it always stands on what is confirmed.
   */
  optimistic?: ((variables: TVariables, context: OptimisticContext) => MutationEffects) | undefined
  /**
   * What the response confirms, in place of the guess. A row that it names in place of the temporary one (the id that
   * `optimistic` gave it is the mutationId) takes its place in the same step.
   */
  confirm?:
    | ((
        result: TData,
        variables: TVariables,
        context: { readonly mutationId: string },
      ) => MutationEffects | void)
    | undefined
  /**
   * What brings the confirmed data: `echo`, the event that the mutation causes, with its mutationId; or `refetch`, a
   * fetch of what the mutation touches.
   * @default 'echo' with a server that speaks rqb.v1, or whose events have named a mutation; else 'refetch'
   */
  settle?: 'echo' | 'refetch' | undefined
  /**
   * Whether showing it over data that has it already changes nothing. Say false for counters and appends: a response
   * that may have it is then held until its fate is known (needs `positioned`).
   * @default true, but false when it creates a row under its mutationId
   */
  idempotent?: boolean | undefined
  /** Whether after this error the server may have carried it out all the same. @default isUnknownOutcome */
  isUnknown?: ((error: TError) => boolean) | undefined
  onMutate?:
    | ((
        variables: TVariables,
        context: MutationFunctionContext,
      ) => TOnMutateResult | Promise<TOnMutateResult>)
    | undefined
}

/** How often a mutation whose outcome is not known is sent again, under the same mutationId. */
const UNKNOWN_RETRIES = 3

/**
 * Options for `useMutation`, `MutationObserver` or `setMutationDefaults` that make a mutation show at once, survive
 * what arrives meanwhile, and settle on the server's word.
 *
 * @example
 * const rename = realtimeMutationOptions(bridge, {
 *   mutationFn: ({ id, title }: Rename, { mutationId }) => api.rename(id, title, { idempotencyKey: mutationId }),
 *   optimistic: ({ id, title }) => patch(tasks.all(), id, { title }),
 * })
 */
export function realtimeMutationOptions<
  TData,
  TError = Error,
  TVariables = void,
  TOnMutateResult extends object | undefined | void = undefined,
>(
  bridge: RealtimeQueryBridge<EventTable>,
  options: RealtimeMutationOptions<TData, TError, TVariables, TOnMutateResult>,
): Omit<MutationObserverOptions<TData, TError, TVariables, WithMutationId<TOnMutateResult>>, '_defaulted'> {
  const {
    mutationFn,
    optimistic,
    confirm,
    settle,
    idempotent,
    isUnknown = isUnknownOutcome,
    onMutate,
    ...rest
  } = options
  if (process.env['NODE_ENV'] !== 'production' && typeof mutationFn !== 'function') {
    throw new RealtimeError('usage', 'realtimeMutationOptions: pass a mutationFn that sends the mutation.')
  }
  // TanStack gives variables and errors back as they were; their types are those of these options.
  const spec: MutationSpec = {
    run: (variables, context) => mutationFn(variables as TVariables, context as RealtimeMutationContext),
    guess: (variables, { mutationId, get }) =>
      effectsOf(optimistic?.(variables as TVariables, { mutationId, get: get as OptimisticContext['get'] })),
    confirm: (result, variables, mutationId) =>
      confirm && effectsOf(confirm(result as TData, variables as TVariables, { mutationId })),
    isUnknown: (error) => isUnknown(error as TError),
    settle,
    isIdempotent: idempotent,
  }
  const mutations = mutationsOf(bridge)
  // What the app has set for all its mutations holds.
  const retry: MutationObserverOptions<TData, TError>['retry'] =
    options.retry ??
    (bridge.queryClient.getDefaultOptions().mutations?.retry as typeof options.retry) ??
    ((failures, error) => failures < UNKNOWN_RETRIES && isUnknown(error))
  const own: MutationObserverOptions<TData, TError, TVariables, WithMutationId<TOnMutateResult>> = {
    ...rest,
    retry: (failures, error) => {
      // Nothing is sent any more: its retries would be in the way of the others of its scope.
      if (error instanceof RealtimeError && error.code === 'discarded') return false
      return typeof retry === 'function' ? retry(failures, error) : retry === true || failures < Number(retry)
    },
    mutationFn: (variables, context) => mutations.run(spec, variables, context) as Promise<TData>,
    onMutate: async (variables, context) => {
      const mutationId = mutations.begin(spec, variables, context)
      const result = await onMutate?.(variables, context)
      return { ...(result ?? {}), mutationId } as WithMutationId<TOnMutateResult>
    },
    onError: (...args) => {
      const [error, variables, , context] = args
      mutations.failed(spec, { error, variables, context })
      return rest.onError?.(...args)
    },
  }
  return Object.assign(own, { [REALTIME]: { spec, owner: bridge } })
}

/**
 * Whether a request that failed with this error may have been carried out: the network broke, or took too long, or the
 * server failed on the way. A refusal (4xx) is not unknown. An error that says nothing of the kind counts as a refusal.
 */
export function isUnknownOutcome(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { name, code, status, response } = error as {
    name?: unknown
    code?: unknown
    status?: unknown
    response?: { status?: unknown } | null
  }
  const answered = typeof status === 'number' ? status : response?.status
  // 408, 425 and 5xx: the answer comes from somebody who does not know either. 0: there was none.
  if (typeof answered === 'number') return answered >= 500 || [0, 408, 425].includes(answered)
  const isBroken = ['TypeError', 'AbortError', 'TimeoutError', 'NetworkError'].includes(String(name))
  return isBroken || ['ERR_NETWORK', 'ECONNABORTED', 'ECONNRESET', 'ETIMEDOUT'].includes(String(code))
}

function effectsOf(effects: MutationEffects | void): readonly Effect[] {
  const items: readonly (Effect | PredictedEvent)[] =
    effects === undefined ? [] : 'kind' in effects ? [effects] : effects
  return items.flatMap((item) => (item.kind === 'predicted' ? item.effects : [item]))
}
