/** What the app is told of stored mutations: what goes wrong, what is given up, and what it has to put right. */
import { hashKey, type MutationKey } from '@tanstack/query-core'
import { RealtimeError } from '../core/errors.ts'
import type { GivenUpMutation } from './persist-mutations.ts'
import type { GivenUpReason } from './plan-queue.ts'
import type { StoredMutation } from './stored-mutation.ts'

export interface QueueReportOptions {
  readonly onError: (error: RealtimeError) => void
  readonly onGivenUp: ((mutations: readonly GivenUpMutation[]) => void) | undefined
}

export class QueueReport {
  readonly #options: QueueReportOptions
  /** The store had no room for these, by mutationId: told once. */
  readonly #crowdedOut = new Set<string>()
  /** What the app has to change: told once. */
  readonly #told = new Set<string>()

  constructor(options: QueueReportOptions) {
    this.#options = options
  }

  /** They are not going to be sent. */
  givenUp(givenUp: readonly { stored: StoredMutation; reason: GivenUpReason }[]): void {
    if (givenUp.length === 0) return
    const { onError, onGivenUp } = this.#options
    const list = givenUp.map(({ stored: { mutationKey, state, realtime }, reason }): GivenUpMutation => {
      const { mutationId } = realtime
      const message = `A stored mutation is not sent: ${reason}.`
      onError(new RealtimeError('given-up', message, { details: { mutationId, mutationKey, reason } }))
      return { mutationId, mutationKey, variables: state.variables, submittedAt: state.submittedAt, reason }
    })
    try {
      onGivenUp?.(list)
    } catch (cause) {
      onError(new RealtimeError('listener-failed', 'onGivenUp threw. Catch what it throws.', { cause }))
    }
  }

  /** Nobody is told what was in them. */
  removed(count: number, why: string): void {
    const message = `${count} stored mutations ${why}. They were removed.`
    this.#options.onError(new RealtimeError('given-up', message))
  }

  unreadable(cause: unknown): void {
    const message = 'What was stored of pending mutations is not readable. It was removed.'
    this.#options.onError(new RealtimeError('given-up', message, { cause }))
  }

  /** No store keeps it. */
  unstorable({ realtime: { mutationId }, mutationKey }: StoredMutation, cause?: unknown): void {
    const message =
      'The variables of a mutation do not come out of the store as they went in. It runs, and is lost when the page is ' +
      'closed before it is done. Use plain data, or a persister whose `serialize` keeps them.'
    const details = { mutationId, mutationKey }
    this.#options.onError(new RealtimeError('persist-failed', message, { cause, details }))
  }

  /** There is no room for it. */
  crowdedOut({ realtime: { mutationId }, mutationKey }: StoredMutation, maxCount: number): void {
    if (this.#crowdedOut.has(mutationId)) return
    this.#crowdedOut.add(mutationId)
    const message = `${maxCount} mutations are stored already. One more is lost when the page is closed before it is done.`
    const details = { mutationId, mutationKey }
    this.#options.onError(new RealtimeError('persist-failed', message, { details }))
  }

  /** Only these are open any more. */
  forgetBut(mutationIds: ReadonlySet<string>): void {
    for (const id of this.#crowdedOut) if (!mutationIds.has(id)) this.#crowdedOut.delete(id)
  }

  /** A step did not come to its end. */
  failed(cause: unknown): void {
    const message =
      'Pending mutations could not be stored, or read. They run; it is tried again with the next one.'
    this.#options.onError(
      cause instanceof RealtimeError ? cause : new RealtimeError('persist-failed', message, { cause }),
    )
  }

  /** A mutation of the app's has no mutationKey. */
  withoutKey(): void {
    if (process.env['NODE_ENV'] === 'production') return
    this.#tellOnce(
      'mutationKey',
      'A mutation without a mutationKey is not stored: after a reload nobody could send it. Give it one.',
    )
  }

  /** Nothing is registered for the mutationKey of one that is stored. */
  withoutOptions(mutationKey: MutationKey): void {
    if (process.env['NODE_ENV'] === 'production') return
    const message =
      'A mutation is stored whose mutationKey has no options: after a reload it would be given up. Call ' +
      'queryClient.setMutationDefaults(mutationKey, realtimeMutationOptions(bridge, …)) at start.'
    this.#tellOnce(hashKey(mutationKey), message)
  }

  /** A mistake of the programmer's that shows only here. */
  #tellOnce(about: string, message: string): void {
    if (this.#told.has(about)) return
    this.#told.add(about)
    this.#options.onError(new RealtimeError('usage', message, { details: { about } }))
  }
}
