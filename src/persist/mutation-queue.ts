/**
 * The pending mutations of one tab, and what is stored of all tabs.
 *
 *   PendingMutations.open() ──▶ store ──▶ after a reload, or from a tab that has died ──▶ MutationCache
 *
 * What is stored follows from what is open: every change of either leads to one step, which reads the store, decides
 * (plan-queue.ts) and writes. One tab at a time does a step, and each step leaves every mutation with one owner.
 */
import { focusManager, hydrate, onlineManager, type MutationKey } from '@tanstack/query-core'
import type { RealtimeQueryBridge } from '../bridge.ts'
import { isMutationOf } from '../core/cache/mutations/pending-mutation.ts'
import type { PendingMutations } from '../core/cache/mutations/pending-mutations.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import { mentions } from '../core/overlay/temporary-ids.ts'
import type { EventTable } from '../core/routing/event-table.ts'
import { randomId } from '../core/session/random-id.ts'
import { mutationsOf } from '../features.ts'
import { MutationStore } from './mutation-store.ts'
import type { PersistedMutations, PersistMutationsOptions } from './persist-mutations.ts'
import { fit, planQueue } from './plan-queue.ts'
import { QueueReport } from './queue-report.ts'
import {
  decodeStored,
  FORMAT,
  isNewerFormat,
  isRefused,
  isSame,
  revived,
  storedMutation,
  whyUnstorable,
  type StoredMutation,
} from './stored-mutation.ts'
import { browserChannel, browserLocks, Tabs } from './tabs.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

const MAX_COUNT = 100

export interface MutationQueueOptions extends PersistMutationsOptions {
  onStop(): void
}

export class MutationQueue implements PersistedMutations {
  readonly restored: Promise<void>
  readonly #options: MutationQueueOptions
  readonly #bridge: RealtimeQueryBridge<EventTable>
  readonly #mutations: PendingMutations
  readonly #self = randomId(Math.random)
  readonly #tabs: Tabs
  readonly #store: MutationStore
  readonly #report: QueueReport
  readonly #clock: Clock
  readonly #joined: Promise<void>
  readonly #unsubscribes: (() => void)[]
  /** What of this tab's is in the store, by mutationId. */
  #written = new Map<string, StoredMutation>()
  /** What was to be stored when the last step ended. */
  #last: readonly StoredMutation[] = []
  /** No store keeps these, by mutationId. */
  readonly #refused = new Set<string>()
  #identity: string | null
  /** The step that runs. */
  #steps: Promise<void> | undefined
  /** There may be something in the store that this tab has not seen. */
  #hasNews = true
  #isStopped = false

  constructor(options: MutationQueueOptions) {
    const { bridge, persister, clock = systemClock, name = 'realtime-query-bridge' } = options
    const locks = options.locks === undefined ? browserLocks() : (options.locks ?? undefined)
    const isBrowser = options.locks === undefined && locks !== undefined
    this.#options = options
    this.#bridge = bridge
    this.#mutations = mutationsOf(bridge)
    this.#identity = bridge.identity
    this.#clock = clock
    this.#report = new QueueReport({
      onError: (error) => {
        this.#mutations.report(error)
      },
      onGivenUp: options.onGivenUp,
    })
    this.#store = new MutationStore({
      persister,
      clock,
      writer: this.#self,
      onLost: (cause) => {
        this.#report.unreadable(cause)
      },
    })
    const look = () => {
      this.#hasNews = true
      void this.#step()
    }
    const channel = options.channel ?? (isBrowser ? browserChannel(name) : undefined)
    this.#tabs = new Tabs({ name, id: this.#self, locks, channel, clock, onNews: look })
    this.#unsubscribes = [
      bridge.subscribePending(() => {
        this.#onPending()
      }),
      // What could not be written, or was not heard from another tab, is seen when the user, or the network, is back.
      onlineManager.subscribe(look),
      focusManager.subscribe(look),
    ]
    this.#joined = this.#tabs.join()
    this.restored = this.#step()
  }

  flush(): Promise<void> {
    return this.#step()
  }

  stop(): void {
    this.#isStopped = true
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
    this.#tabs.leave()
    this.#options.onStop()
  }

  #onPending(): void {
    const { identity } = this.#bridge
    if (identity !== this.#identity) {
      this.#identity = identity
      this.#report.givenUp([...this.#written.values()].map((stored) => ({ stored, reason: 'signed-out' })))
      this.#written.clear()
      this.#hasNews = true
    }
    void this.#step()
  }

  /** Brings the store up to date; when that runs already, it goes on until it is. */
  #step(): Promise<void> {
    return (this.#steps ??= this.#run())
  }

  async #run(): Promise<void> {
    try {
      await this.#joined
      while (!this.#isStopped && (this.#hasNews || !isSame(this.#storable(), this.#last))) {
        this.#hasNews = false
        await this.#tabs.alone(() => this.#stepAlone())
      }
    } catch (cause) {
      if (!this.#isStopped) {
        this.#hasNews = true
        this.#report.failed(cause)
      }
    } finally {
      this.#steps = undefined
    }
  }

  async #stepAlone(): Promise<void> {
    const { maxAgeMs = DAY_MS, maxCount = MAX_COUNT, buster = '' } = this.#options
    const { identity } = this.#bridge
    const entries = await this.#store.read()
    const stored = entries.flatMap((entry) => decodeStored(entry) ?? [])
    const newer = entries.filter(isNewerFormat) as StoredMutation[]
    const dead = await this.#deadOwners(stored)
    if (this.#isStopped || identity !== this.#bridge.identity) return
    const own = this.#storable()
    const { kept, adopted, givenUp, forgotten } = planQueue(stored, {
      self: this.#self,
      identity,
      buster,
      now: this.#clock.now(),
      maxAgeMs,
      room: maxCount - own.length,
      isDead: (owner) => dead.has(owner),
      isKnown: (mutationKey) => this.#isKnown(mutationKey),
    })
    const taken = adopted.map((mutation) => this.#owned(mutation))
    const { fitting, crowdedOut } = fit(own, maxCount - kept.length - taken.length)
    for (const mutation of crowdedOut) this.#report.crowdedOut(mutation, maxCount)
    const before = stored.filter(({ realtime }) => realtime.owner === this.#self)
    const unreadable = entries.length - stored.length - newer.length
    const isChanged =
      unreadable > 0 || adopted.length + givenUp.length + forgotten.length > 0 || !isSame(before, fitting)
    if (isChanged && !(await this.#write([...newer, ...kept, ...taken, ...fitting], fitting))) return
    if (this.#isStopped) return
    const isOurs = identity === this.#bridge.identity
    const stays = isOurs ? [...taken, ...fitting] : []
    if (this.#written.size === 0 && stays.length > 0) this.#tabs.tell()
    this.#written = new Map(stays.map((mutation) => [mutation.realtime.mutationId, mutation]))
    this.#last = [...taken, ...own]
    this.#report.givenUp(givenUp)
    if (forgotten.length > 0) this.#report.removed(forgotten.length, 'of other users have expired')
    if (unreadable > 0) this.#report.removed(unreadable, 'are not what this library writes')
    if (isOurs) this.#adopt(taken)
    else this.#report.givenUp(taken.map((mutation) => ({ stored: mutation, reason: 'signed-out' })))
  }

  /** The tabs, of those that own something, that are gone. */
  async #deadOwners(stored: readonly StoredMutation[]): Promise<ReadonlySet<string>> {
    const dead = new Set<string>()
    for (const owner of new Set(stored.map(({ realtime }) => realtime.owner))) {
      if (owner !== this.#self && (await this.#tabs.isDead(owner))) dead.add(owner)
    }
    return dead
  }

  /** What this tab wants to have stored, in order. */
  #storable(): StoredMutation[] {
    const open = this.#mutations.open()
    const ids = new Set(open.map(({ mutationId }) => mutationId))
    for (const id of this.#refused) if (!ids.has(id)) this.#refused.delete(id)
    this.#report.forgetBut(ids)
    const left = new Set<string>()
    return open.flatMap((mutation) => {
      const { mutationId, variables } = mutation
      const { mutationKey } = mutation.mutation.options
      // Without the one that makes what it mentions, it would be sent with an id that means nothing.
      const isStored = !this.#refused.has(mutationId) && !mentions(variables, (id) => left.has(id))
      if (mutationKey && isStored) return [this.#owned(storedMutation(mutation, mutationKey))]
      left.add(mutationId)
      if (!mutationKey) this.#report.withoutKey()
      return []
    })
  }

  #owned(mutation: Omit<StoredMutation, 'realtime'> & { realtime: { mutationId: string } }): StoredMutation {
    const { buster = '' } = this.#options
    const owner = { owner: this.#self, identity: this.#bridge.identity, buster }
    return { ...mutation, realtime: { version: FORMAT, mutationId: mutation.realtime.mutationId, ...owner } }
  }

  /** Writes everything. False: some of this tab's own cannot be stored, and it is to be tried without them. */
  async #write(all: readonly StoredMutation[], own: readonly StoredMutation[]): Promise<boolean> {
    const fresh = own.filter(({ realtime, ...rest }) => {
      const { realtime: _, ...written } = this.#written.get(realtime.mutationId) ?? {}
      return !isSame(written, rest)
    })
    let back: readonly unknown[]
    try {
      back = await this.#store.write(all)
    } catch (cause) {
      const unstorable = fresh.filter(({ state }) => whyUnstorable(state.variables) !== undefined)
      if (unstorable.length === 0) throw cause
      for (const mutation of unstorable) this.#refuse(mutation, whyUnstorable(mutation.state.variables))
      return false
    }
    const lost = fresh.filter((mutation) => !back.some((entry) => isSame(entry, mutation)))
    for (const mutation of lost) this.#refuse(mutation)
    if (lost.length > 0) return false
    for (const { mutationKey } of fresh)
      if (!this.#isKnown(mutationKey)) this.#report.withoutOptions(mutationKey)
    return true
  }

  #refuse(mutation: StoredMutation, cause?: unknown): void {
    this.#refused.add(mutation.realtime.mutationId)
    this.#hasNews = true
    this.#report.unstorable(mutation, cause)
  }

  /** Whether somebody could send it after a reload. */
  #isKnown(mutationKey: MutationKey): boolean {
    return isMutationOf(this.#bridge, this.#bridge.queryClient.getMutationDefaults(mutationKey))
  }

  /** Shows what was stored, and sends it in its order. */
  #adopt(adopted: readonly StoredMutation[]): void {
    const { queryClient } = this.#bridge
    const mutations = this.#mutations
    const cache = queryClient.getMutationCache()
    const restored = adopted.flatMap((stored) => {
      if (mutations.has(stored.realtime.mutationId)) return [] // TanStack's own persistence was faster.
      const dehydrated = revived(stored)
      hydrate(queryClient, { mutations: [dehydrated], queries: [] })
      const mutation = cache.getAll().find(({ state }) => state === dehydrated.state)
      if (mutation) mutations.adopt(mutation)
      return mutation && !isRefused(stored) ? mutation : []
    })
    for (const mutation of restored) {
      // Offline it pauses by itself. How it ends is told by its options' callbacks, and by the list.
      mutation.continue().catch(() => undefined)
    }
  }
}
