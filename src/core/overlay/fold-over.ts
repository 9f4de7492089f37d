import type { EffectContext, PatchingEffect } from '../routing/effect.ts'
import { layersOver, type Entry, type Layer } from './entry.ts'
import { foldEffects, type FoldResult } from './fold-effects.ts'
import type { StreamLog } from './stream-log.ts'

export interface Folded extends FoldResult {
  /** What `problems` count in. */
  readonly effects: readonly PatchingEffect[]
}

export interface FoldOverOptions {
  readonly query: EffectContext
  readonly log: StreamLog
  readonly heldFrom?: number
}

/** The base of an entry with what lies over it. */
export function foldOver(
  entry: Entry,
  layers: readonly Layer[],
  { query, log, heldFrom = Infinity }: FoldOverOptions,
): Folded {
  const effects = layersOver(entry, layers, { log, heldFrom }).flatMap((placed) => placed.effects)
  return { ...foldEffects(effects, entry.base, query), effects }
}
