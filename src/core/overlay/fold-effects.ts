/**
 * Effects over the data of one query. Pure: values are never changed, and what is left alone keeps its reference.
 *
 *   array                      the rows
 *   { pages, pageParams }      the rows of all pages, read as one list
 *   envelope, by `list`        its rows; pages may be envelopes too
 *   object with the same id    a detail: upsert replaces it, patch merges into it, remove leaves it to `drop`
 *   anything else              not concerned
 */
import { replaceEqualDeep } from '@tanstack/query-core'
import type { PatchEffect, PatchingEffect, RemoveEffect, UpsertEffect } from '../routing/effect.ts'
import { idOf } from '../routing/effects.ts'
import { isInfinite, ListDraft } from './list-draft.ts'
import { isOutdated, removeFromList, upsertIntoList, type EffectContext } from './list-upsert.ts'

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

type RowEffect = UpsertEffect | PatchEffect | RemoveEffect

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
        draft ??= ListDraft.open(current, effect.list)
        if (!draft) current = applyToDetail(effect, current)
        else if (!applyToList(draft, effect, context)) refetch = true
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

function applyToList(draft: ListDraft, effect: RowEffect, context: EffectContext): boolean {
  if (effect.kind === 'upsert') return upsertIntoList(draft, effect, context)
  const found = draft.find(effect.itemId, effect.id)
  if (effect.kind === 'remove') return removeFromList(draft, found, { limit: effect.limit, context })
  for (const position of found) {
    const row = draft.rows[position]
    const patched = merge(effect, row)
    if (patched !== row) draft.splice(position, 1, patched)
  }
  return true
}

function applyToDetail(effect: RowEffect, data: object): unknown {
  const id = isInfinite(data) ? undefined : idOf(effect.id, data)
  if (id === undefined) rejectUnseenList(data)
  if (id !== effect.itemId || effect.kind === 'remove') return data
  if (effect.kind === 'patch') return merge(effect, data)
  return isOutdated(effect, data) ? data : replaceEqualDeep(data, effect.item)
}

function merge({ partial, id, itemId }: PatchEffect, row: unknown): unknown {
  const patched = { ...(row as object), ...partial }
  if (id(patched) !== itemId) throw new TypeError('the patch would change the id. Leave the id out of it')
  return replaceEqualDeep(row, patched)
}

/** What may well be a list, but was not found: silence would hide a forgotten `list`. */
function rejectUnseenList(data: object): void {
  const values = Object.entries(isInfinite(data) ? (data.pages[0] ?? {}) : data)
  const name = values.find(([, value]) => Array.isArray(value))?.[0]
  if (name === undefined && !isInfinite(data)) return
  const remedy = name === undefined ? '' : `: if its rows are in "${name}", pass { list: '${name}' }`
  throw new TypeError(`the data is no list of rows${remedy}. Else narrow the filters`)
}
