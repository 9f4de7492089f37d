/**
 * Which topics the screen needs: those named by queries that a mounted observer reads, and those that hooks ask
 * for. A topic that nobody needs any more lingers for a while, so that going back and forth between two screens
 * does not subscribe again and again.
 */
import type { Query, QueryCache } from '@tanstack/query-core'
import type { Clock } from '../../clock.ts'
import { RealtimeError, remedy } from '../../errors.ts'

/** The topics that keep a query live. `undefined`: the default topics do. */
export type TopicsOfQuery = (query: Query) => readonly string[] | undefined

/**
 * The meta of queries, for TanStack's `Register`: `topics` are typed everywhere then.
 *
 * @example
 * declare module '@tanstack/react-query' {
 *   interface Register {
 *     queryMeta: RealtimeQueryMeta
 *   }
 * }
 */
export interface RealtimeQueryMeta extends Record<string, unknown> {
  /** The topics that keep the query live. */
  readonly topics?: readonly string[]
}

/** The topics of a query where the app says nothing else: those in its `meta.topics`. */
export function topicsInMeta(query: Query): readonly string[] | undefined {
  const topics: unknown = query.meta?.['topics']
  return Array.isArray(topics) ? topics.filter((topic) => typeof topic === 'string') : undefined
}

export interface TopicInterestOptions {
  clock: Clock
  /** How long a topic stays wanted after its last user is gone, in ms. */
  lingerMs: number
  /** Always wanted, and keeping live every query that names no topics of its own. */
  defaultTopics: readonly string[]
  topicsOf: TopicsOfQuery
  /** The source knows no subscriptions: whatever topics its events name, they keep every query live. */
  isPlain: boolean
  onError(error: RealtimeError): void
  /** Called once per turn, after changes. */
  onChange(topics: ReadonlySet<string>): void
}

export class TopicInterest {
  readonly #options: TopicInterestOptions
  /** Users per topic. A topic at 0 lingers. */
  readonly #users = new Map<string, number>()
  /** Cancels the end of lingering, by topic. */
  readonly #lingering = new Map<string, () => void>()
  /** Topics held for each observed query. */
  readonly #held = new Map<Query, readonly string[]>()
  #isChangeDue = false
  #detach: (() => void) | undefined

  constructor(options: TopicInterestOptions) {
    this.#options = options
  }

  /** Follows the observers of a cache. */
  attach(cache: QueryCache): void {
    this.#detach = cache.subscribe((event) => {
      if (event.type === 'removed') this.#hold(event.query, undefined)
      else if (event.type.startsWith('observer'))
        this.#follow(event.query, event.type !== 'observerResultsUpdated')
    })
    for (const query of cache.getAll()) this.#follow(query)
    this.#changed()
  }

  detach(): void {
    this.#detach?.()
    this.#detach = undefined
    for (const query of this.#held.keys()) this.#hold(query, undefined)
    for (const [topic, cancel] of this.#lingering) {
      cancel()
      this.#users.delete(topic)
    }
    this.#lingering.clear()
  }

  /** Wants a topic until the returned function is called. */
  acquire(topic: string): () => void {
    this.#add(topic)
    let isHeld = true
    return () => {
      if (isHeld) this.#release(topic)
      isHeld = false
    }
  }

  /**
   * Whether a topic keeps this query live. `undefined` stands for the whole connection of a source without topics:
   * it keeps every query live, save those that name an empty list. So does each topic of such a source for queries
   * that name none.
   */
  keepsLive(query: Query, topic: string | undefined): boolean {
    const { defaultTopics, isPlain } = this.#options
    const named = this.#named(query)
    if (topic === undefined) return named?.length !== 0
    if (named === undefined && isPlain && defaultTopics.length === 0) return true
    return (named ?? defaultTopics).includes(topic)
  }

  /**
   * The topics that must all be live for this query to be. `undefined`: it follows the whole connection of a source
   * without subscriptions. None: nothing keeps it live.
   */
  topicsOf(query: Query): readonly string[] | undefined {
    const { defaultTopics, isPlain } = this.#options
    const named = this.#named(query)
    return isPlain && named?.length !== 0 ? undefined : (named ?? defaultTopics)
  }

  /** The queries that a mounted observer reads. */
  observed(): IterableIterator<Query> {
    return this.#held.keys()
  }

  /** Every topic that is wanted now. Lingering ones come last: they are the first to go at the session's limit. */
  wanted(): ReadonlySet<string> {
    const used = [...this.#users.keys()].filter((topic) => !this.#lingering.has(topic))
    return new Set([...this.#options.defaultTopics, ...used, ...this.#lingering.keys()])
  }

  /** The topics that a query names itself. A function that fails on it names none. */
  #named(query: Query): readonly string[] | undefined {
    try {
      return this.#options.topicsOf(query)
    } catch (cause) {
      const message = `\`topics\` threw on the query ${query.queryHash}.`
      const whatToDo = remedy('Give undefined for queries without topics.')
      this.#options.onError(new RealtimeError('listener-failed', message, { cause, remedy: whatToDo }))
      return undefined
    }
  }

  /** @param hasNewOptions - False: only whether it is active may have changed. */
  #follow(query: Query, hasNewOptions = true): void {
    const isActive = query.isActive()
    if (!hasNewOptions && isActive === this.#held.has(query)) return
    this.#hold(query, isActive ? (this.#named(query) ?? this.#options.defaultTopics) : undefined)
  }

  #hold(query: Query, topics: readonly string[] | undefined): void {
    const held = this.#held.get(query) ?? []
    if (topics) this.#held.set(query, [...topics])
    else this.#held.delete(query)
    // In this order, what is held before and after does not begin to linger.
    for (const topic of topics ?? []) this.#add(topic)
    for (const topic of held) this.#release(topic)
  }

  #add(topic: string): void {
    this.#lingering.get(topic)?.()
    this.#lingering.delete(topic)
    const users = this.#users.get(topic)
    this.#users.set(topic, (users ?? 0) + 1)
    if (users === undefined) this.#changed()
  }

  #release(topic: string): void {
    const users = (this.#users.get(topic) ?? 1) - 1
    this.#users.set(topic, users)
    if (users > 0) return
    if (this.#detach === undefined) {
      this.#users.delete(topic) // Nothing lingers after the end (L9).
      return
    }
    const end = () => {
      this.#lingering.delete(topic)
      this.#users.delete(topic)
      this.#changed()
    }
    this.#lingering.set(topic, this.#options.clock.after(this.#options.lingerMs, end))
  }

  #changed(): void {
    if (this.#isChangeDue) return
    this.#isChangeDue = true
    // One render mounts many queries: they make one subscription message.
    queueMicrotask(() => {
      this.#isChangeDue = false
      if (this.#detach !== undefined) this.#options.onChange(this.wanted())
    })
  }
}
