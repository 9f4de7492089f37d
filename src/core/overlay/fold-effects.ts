/**
 * Effects over the data of one query. Pure: values are never changed, and what is left alone keeps its reference. What
 * an effect does to rows comes with it: see `row-effects.ts`.
 */
import { replaceEqualDeep } from '@tanstack/query-core'
import type { EffectContext, PatchingEffect, RowEffect, RowRules } from '../routing/effect.ts'
import type { ListDraft } from '../routing/list-draft.ts'

/** Why an effect could not be applied. */
export interface FoldProblem {
  /** Which of the effects. */
  readonly index: number
  readonly why: string
  readonly cause: unknown
}

export interface FoldResult {
  /** The same reference when nothing changes. */
  readonly data: unknown
  /** The data does not show all that the effects say: only the server can tell. */
  readonly refetch: boolean
  /** Mistakes, for `onError`; each asks for a refetch too. */
  readonly problems: readonly FoldProblem[]
}

/**
 * Applies effects in order. A list is copied once however many of them change it. One that throws changes nothing;
 * the others still apply. On `undefined` data only a full replacement applies (L6).
 */
export function foldEffects(
  effects: readonly PatchingEffect[],
  data: unknown,
  context: EffectContext,
): FoldResult {
  const problems: FoldProblem[] = []
  let current = data
  let draft: ListDraft | undefined
  let refetch = false

  const attempt = (index: number, step: () => void) => {
    try {
      step()
    } catch (cause) {
      problems.push({ index, why: cause instanceof Error ? cause.message : String(cause), cause })
    }
  }
  /** Gives the open list back to the data, for what needs the data itself. */
  const close = (index: number) => {
    const closing = draft
    draft = undefined // Also when its lens throws: the list is then as it was.
    attempt(index, () => {
      if (closing) current = closing.close()
    })
  }
  effects.forEach((effect, index) => {
    const isRewrite = effect.kind === 'setData' || effect.kind === 'update'
    if (isRewrite || draft?.list !== effect.list) close(index - 1)
    attempt(index, () => {
      if (isRewrite) {
        current = rewrite(effect, current, context)
      } else if (typeof current === 'object' && current !== null) {
        const rules = effect.rules as RowRules<RowEffect>
        draft ??= rules.openList(current, effect.list)
        if (!draft) current = rules.toDetail(effect, current)
        else if (!rules.toList(draft, effect, context)) refetch = true
      }
    })
  })
  close(effects.length - 1)
  return { data: current, refetch: refetch || problems.length > 0, problems }
}

function rewrite(
  effect: Extract<PatchingEffect, { kind: 'setData' | 'update' }>,
  data: unknown,
  { queryKey }: EffectContext,
): unknown {
  if (effect.kind === 'setData' && !effect.updater) {
    return data === undefined && !effect.replace ? data : replaceEqualDeep(data, effect.value)
  }
  const result = data === undefined ? undefined : effect.updater?.(data, queryKey)
  return result === undefined ? data : result
}
