/**
 * Stored mutations behind a persister of TanStack's. Those write late (a throttle), and say nothing when they could not
 * (a full disk): so a write counts when it can be read back, and not before. One writer at a time; the caller sees to it.
 */
import type { DehydratedState } from '@tanstack/query-core'
import type { Clock } from '../core/clock.ts'
import { RealtimeError } from '../core/errors.ts'
import type { StoredMutation } from './stored-mutation.ts'

/** What a persister keeps. */
export interface PersistedMutationQueue {
  timestamp: number
  buster: string
  clientState: DehydratedState
}

/** Any persister of TanStack's, over a key of its own: not the one that keeps the queries. */
export interface MutationPersister {
  persistClient(client: PersistedMutationQueue): void | PromiseLike<void>
  restoreClient(): PersistedMutationQueue | undefined | PromiseLike<PersistedMutationQueue | undefined>
  removeClient(): void | PromiseLike<void>
}

/** How long a write may take to be there, in ms. */
const WRITE_TIMEOUT_MS = 5_000

export interface MutationStoreOptions {
  readonly persister: MutationPersister
  readonly clock: Clock
  /** Tells the writes of one tab from those of another. */
  readonly writer: string
  /** What was stored can never be read. It was removed. */
  readonly onLost: (cause: unknown) => void
}

export class MutationStore {
  readonly #options: MutationStoreOptions
  #writes = 0

  constructor(options: MutationStoreOptions) {
    this.#options = options
  }

  /** Everything that is stored, as it is. */
  async read(): Promise<readonly unknown[]> {
    const { persister, onLost } = this.#options
    let client: PersistedMutationQueue | undefined
    try {
      client = await persister.restoreClient()
    } catch (cause) {
      // Text that is no JSON stays so. Anything else may go better the next time.
      if (!(cause instanceof SyntaxError)) throw cause
      await persister.removeClient()
      onLost(cause)
    }
    if (client === undefined) return []
    const { clientState } = client
    if (clientState.queries.length > 0) {
      throw new RealtimeError(
        'usage',
        'persistMutations got a persister that keeps queries. Give it one with a key of its own.',
      )
    }
    return clientState.mutations
  }

  /** Replaces everything that is stored. Gives what can be read back. */
  async write(mutations: readonly StoredMutation[]): Promise<readonly unknown[]> {
    const { persister, clock, writer } = this.#options
    if (mutations.length === 0) {
      await persister.removeClient()
      return []
    }
    // The one field that every persister keeps as it is: it names this write.
    const buster = `${writer}:${++this.#writes}`
    const clientState = { mutations: [...mutations], queries: [] }
    await persister.persistClient({ timestamp: clock.now(), buster, clientState })
    let waited = 0
    for (let delayMs = 1; ; delayMs *= 2) {
      const back = await persister.restoreClient()
      if (back?.buster === buster) return back.clientState.mutations
      if (waited >= WRITE_TIMEOUT_MS) break
      await new Promise<void>((resolve) => {
        clock.after(delayMs, resolve)
      })
      waited += delayMs
    }
    throw new RealtimeError(
      'persist-failed',
      `The persister has not written within ${WRITE_TIMEOUT_MS} ms. Is its storage full? Set its throttleTime to 0.`,
    )
  }
}
