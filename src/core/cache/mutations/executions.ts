/**
 * Which mutation an execution of TanStack's is of. One passes the same context object to `onMutate` and to every attempt;
 * one that was restored has never been through `onMutate`.
 */
import type { MutationCache } from '@tanstack/query-core'
import { isOf, type AnyMutation, type MutationSpec, type RunningMutation } from './pending-mutation.ts'

export class Executions {
  readonly #cache: MutationCache
  readonly #byContext = new WeakMap<object, RunningMutation>()
  readonly #byMutation = new WeakMap<AnyMutation, RunningMutation>()

  constructor(cache: MutationCache) {
    this.#cache = cache
  }

  /** By the context of an execution. */
  in(context: object): RunningMutation | undefined {
    return this.#byContext.get(context)
  }

  /** By the mutation in the cache. */
  of(mutation: AnyMutation): RunningMutation | undefined {
    return this.#byMutation.get(mutation)
  }

  /** From now on it is known by these. */
  add(running: RunningMutation, context: object | undefined, mutation = running.mutation): void {
    if (context) this.bind(running, context)
    if (mutation) this.#byMutation.set(mutation, running)
  }

  bind(running: RunningMutation, context: object): void {
    running.isBound = true
    this.#byContext.set(context, running)
  }

  /** The mutation of the cache whose `mutate` was called just now. */
  begun(spec: MutationSpec, variables: unknown): AnyMutation | undefined {
    return this.#all(spec, variables).find((mutation) => !this.#byMutation.has(mutation))
  }

  /** A mutation of the cache that runs, and is not known to: one that was restored. */
  unbound(spec: MutationSpec, variables: unknown): AnyMutation | undefined {
    const candidates = this.#all(spec, variables).filter((mutation) => !this.of(mutation)?.isBound)
    return candidates.find(({ state }) => !state.isPaused) ?? candidates[0]
  }

  /**
   * Its first attempt says whose it is. The cache could not tell: TanStack may be about to send what is discarded, and so
   * removed, just now.
   */
  bindWhenSent(running: RunningMutation, mutation: AnyMutation): void {
    const { mutationFn } = mutation.options
    if (mutationFn === undefined) return
    mutation.setOptions({
      ...mutation.options,
      mutationFn: (variables, context) => {
        // A retry takes these options over, and has begun under its own context.
        if (!this.#byContext.has(context)) this.bind(running, context)
        return mutationFn(variables, context)
      },
    })
  }

  #all(spec: MutationSpec, variables: unknown): AnyMutation[] {
    return this.#cache.getAll().filter((mutation) => isOf(mutation, spec, variables))
  }
}
