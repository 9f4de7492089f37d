import { foldEffects, type FoldResult } from '../../src/core/overlay/fold-effects.ts'
import type { PatchingEffect } from '../../src/core/routing/effect.ts'

/** Freezes a value all the way down, so that a write to it throws. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(deepFreeze)
  }
  return value
}

/** Options of an infinite query, for `foldEffects`: whether there are pages beyond the loaded ones. */
export function pagesBeyond({ next = false, previous = false }: { next?: boolean; previous?: boolean } = {}) {
  return { getNextPageParam: () => (next ? 1 : undefined), getPreviousPageParam: () => (previous ? 1 : null) }
}

/** `foldEffects` over frozen data. */
export function fold(
  effects: PatchingEffect | readonly PatchingEffect[],
  data: unknown,
  options?: object,
): FoldResult {
  const list = Array.isArray(effects) ? (effects as readonly PatchingEffect[]) : [effects as PatchingEffect]
  return foldEffects(list, deepFreeze(data), { queryKey: ['tasks'], options })
}
