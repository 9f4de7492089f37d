/** Writes what a batch of events does to one query, and has fetched what the events alone cannot tell. */
import type { Query } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import type { RealtimeError } from '../errors.ts'
import type { QueryOverlay } from '../overlay/bare-overlay.ts'
import { isRepeatable, widest, type Fact, type RefetchType } from '../overlay/fact.ts'
import { rebase } from '../overlay/entry.ts'
import { foldEffects } from '../overlay/fold-effects.ts'
import type { CacheWriter } from './cache-writer.ts'
import { problemsOf } from './effect-failed.ts'
import type { FetchJournal } from './fetch-journal.ts'
import type { ForeignWrites } from './foreign-writes.ts'
import type { Plan } from './plan-batch.ts'
import type { Refetches } from './refetches.ts'
import type { View } from './view.ts'

export interface PlanWriterOptions {
  readonly clock: Clock
  readonly overlay: QueryOverlay<Query>
  readonly writer: CacheWriter
  readonly journal: FetchJournal
  readonly refetches: Refetches
  readonly foreignWrites: ForeignWrites
  readonly view: View
  /** How far behind a response the event stream may be, in ms. */
  readonly streamLagMs: number
  /** What an event does to a query, as far as own mutations leave it standing. */
  readonly ordered: (query: Query, fact: Fact) => Fact
  readonly onError: (error: RealtimeError) => void
}

export class PlanWriter {
  readonly #options: PlanWriterOptions

  constructor(options: PlanWriterOptions) {
    this.#options = options
  }

  write(query: Query, { facts: planned, isDropped }: Plan): void {
    const { overlay, writer, journal, refetches, foreignWrites, view, streamLagMs } = this.#options
    if (isDropped) {
      if (writer.drop(query)) refetches.scheduler.request(query, 'active')
      return
    }
    const entry = overlay.entries.get(query)
    const facts = planned.map((fact) => this.#options.ordered(query, fact))
    const isProven = (fact: Fact) => overlay.log.contains(entry?.positions, fact) === true
    const news = facts.some(isProven) ? facts.filter((fact) => !isProven(fact)) : facts
    journal.note(query, facts)
    const { data, dataUpdatedAt, fetchStatus } = query.state
    const effects = news.flatMap((fact) => fact.effects)
    const isReplacement = effects.some((effect) => effect.kind === 'setData' && effect.replace)
    let refetchType: RefetchType | undefined
    // L6: an event never invents data; only what is declared to be the whole truth fills an empty query.
    if (entry?.base !== undefined && !isReplacement) {
      const outcome = overlay.apply(query, entry, news)
      for (const error of problemsOf(query, outcome, news)) this.#options.onError(error)
      refetchType = outcome.refetchType
      view.show(query)
    } else {
      if ((data !== undefined && effects.length > 0) || isReplacement) {
        const { data: patched, refetch, problems } = foldEffects(effects, data, query)
        if (isReplacement) writer.replace(query, patched)
        else if (patched !== data) writer.patch(query, patched)
        for (const error of problemsOf(query, { problems, effects }, news)) this.#options.onError(error)
        if (refetch) refetchType = 'active'
        if (entry) {
          rebase(entry, patched)
          view.show(query)
        }
      }
      for (const fact of news) if (fact.refetchType) refetchType = widest(refetchType, fact.refetchType)
    }
    if (effects.length > 0 && query.state.data !== undefined) {
      foreignWrites.changed(query)
      journal.noteWrite(query)
    }
    if (refetchType !== undefined) refetches.outdated(query, refetchType)
    else if (fetchStatus === 'idle' && this.#isDoubtful(query, news, dataUpdatedAt)) {
      writer.invalidate(query)
      refetches.scheduler.request(query, 'active', streamLagMs)
    }
  }

  /** Whether the data may hold an effect already that must not be applied twice. */
  #isDoubtful(query: Query, facts: readonly Fact[], dataUpdatedAt: number): boolean {
    const { clock, overlay, streamLagMs } = this.#options
    const positions = overlay.entries.get(query)?.positions
    const isYoung = clock.now() - dataUpdatedAt < streamLagMs
    return facts.some(
      (fact) =>
        !isRepeatable(fact) &&
        (isYoung || fact.isReplay) &&
        overlay.log.contains(positions, fact) === undefined,
    )
  }
}
