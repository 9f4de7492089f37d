/**
 * What is known of where queries stand in their topics beside the overlay: what responses have stated while nobody
 * watched them (on a server that renders), and what has come along with data from another page or server.
 */
import type { Query, QueryCache } from '@tanstack/query-core'
import type { Position } from '../../event.ts'
import { positionIn } from '../../overlay/entry.ts'
import type { Positions } from '../../overlay/fact.ts'
import type { Overlay } from '../../overlay/overlay.ts'
import { lowest } from './positioned-fetch.ts'
import { positionsThatCame } from './travelling-positions.ts'

export class QueryPositions {
  readonly #overlay: Overlay<Query>
  /** What responses have stated while the bridge was not started. */
  readonly #unwatched = new WeakMap<Query, { positions: Positions; dataUpdatedAt: number }>()
  /** What came with data before the start. A component that reads the query puts its own meta in place of that. */
  readonly #noted = new WeakMap<Query, { positions: Positions; dataUpdatedAt: number }>()
  /** Queries whose data has come with its positions: those are true once. */
  readonly #placed = new WeakSet<Query>()
  #hasPlaced = false

  constructor(overlay: Overlay<Query>) {
    this.#overlay = overlay
  }

  /** A response of a query that is not watched. Of several pages the lowest positions count. */
  stated(query: Query, positions: Positions): void {
    if (positions.size === 0) return
    const { dataUpdatedAt } = query.state
    const known = this.#unwatched.get(query)
    const isSameFetch = known?.dataUpdatedAt === dataUpdatedAt
    const lowestOf = isSameFetch ? lowest(known.positions, positions) : positions
    this.#unwatched.set(query, { positions: lowestOf, dataUpdatedAt })
  }

  /** Keeps what comes with data, until the returned function is called. */
  note(cache: QueryCache): () => void {
    const note = (query: Query) => {
      const positions = positionsThatCame(query)
      if (positions) this.#noted.set(query, { positions, dataUpdatedAt: query.state.dataUpdatedAt })
    }
    for (const query of cache.getAll()) note(query)
    return cache.subscribe((event) => {
      if (event.type === 'added') note(event.query)
    })
  }

  /** The positions that have come with the data of a query, once. */
  take(query: Query): Positions | undefined {
    const came = this.#placed.has(query) ? undefined : this.#came(query)
    this.#placed.add(query)
    if (came) this.#hasPlaced = true
    return came
  }

  /** Where the confirmed data of a query stands, as far as it is known. */
  of(query: Query): Readonly<Record<string, Position>> | undefined {
    // The app wrote it with a guess in it that may not be confirmed.
    if (this.#overlay.entries.get(query)?.tainted.size) return undefined
    const { positions = this.#came(query) } = this.#unwatched.get(query) ?? {}
    return this.#overlay.inspect(query).positions ?? (positions && Object.fromEntries(positions))
  }

  /**
   * From where the events of a topic are needed, when all data that they concern has come with its positions.
   * `undefined`: some of it may be of any time.
   *
   * @param concerned - gives the queries that the topic keeps live
   */
  startOf(topic: string, concerned: () => readonly Query[]): Position | undefined {
    let start: Position | undefined
    if (!this.#hasPlaced) return undefined
    for (const query of concerned()) {
      if (query.state.data === undefined) continue
      const entry = this.#overlay.entries.get(query)
      const position = entry && positionIn(entry, topic, this.#overlay.log)
      if (position === undefined || (start && start.epoch !== position.epoch)) return undefined
      if (start === undefined || position.offset < start.offset) start = position
    }
    return start
  }

  #came(query: Query): Positions | undefined {
    const noted = this.#noted.get(query)
    const isNoted = noted?.dataUpdatedAt === query.state.dataUpdatedAt
    return positionsThatCame(query) ?? (isNoted ? noted?.positions : undefined)
  }
}
