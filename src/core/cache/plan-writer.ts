/** Writes what a batch of events does to one query, and has fetched what the events alone cannot tell. */
import type { Query } from '@tanstack/query-core'
import { isRepeatable, widest, type Fact, type RefetchType } from '../overlay/fact.ts'
import { rebase } from '../overlay/entry.ts'
import { foldEffects } from '../overlay/fold-effects.ts'
import type { CacheParts } from './cache-parts.ts'
import type { Plan } from './plan-batch.ts'

export function writePlan(parts: CacheParts, query: Query, { facts: planned, isDropped }: Plan): void {
  const { failed, foreignWrites, journal, optimistic, options, overlay, refetches, view, writer } = parts
  if (isDropped) {
    if (writer.drop(query)) refetches.scheduler.request(query, 'active')
    return
  }
  const entry = overlay.entries.get(query)
  const facts = optimistic ? planned.map((fact) => optimistic.ordered(query, fact)) : planned
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
    failed.tell(query, outcome, news)
    refetchType = outcome.refetchType
    view.show(query)
  } else {
    if ((data !== undefined && effects.length > 0) || isReplacement) {
      const { data: patched, refetch, problems } = foldEffects(effects, data, query)
      if (isReplacement) writer.replace(query, patched)
      else if (patched !== data) writer.patch(query, patched)
      failed.tell(query, { problems, effects }, news)
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
  const isYoung = options.clock.now() - dataUpdatedAt < options.limits.streamLagMs
  const positions = overlay.entries.get(query)?.positions
  /** Whether the data may hold an effect already that must not be applied twice. */
  const isDoubtful = (fact: Fact) =>
    !isRepeatable(fact) && (isYoung || fact.isReplay) && overlay.log.contains(positions, fact) === undefined
  if (refetchType !== undefined) refetches.outdated(query, refetchType)
  else if (fetchStatus === 'idle' && news.some(isDoubtful)) {
    writer.invalidate(query)
    refetches.scheduler.request(query, 'active', options.limits.streamLagMs)
  }
}
