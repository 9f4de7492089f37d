/**
 * What `upsert`, `patch` and `remove` do to the data of one query. Each effect brings its own, so that an app ships what
 * its effects need.
 *
 *   array                      the rows
 *   { pages, pageParams }      the rows of all pages, read as one list
 *   envelope, by `list`        its rows; pages may be envelopes too
 *   object with the same id    a detail: upsert replaces it, patch merges into it, remove leaves it to `drop`
 *   anything else              not concerned
 */
import { replaceEqualDeep } from '@tanstack/query-core'
import type { PatchEffect, RemoveEffect, RowEffect, RowRules, UpsertEffect } from './effect.ts'
import { idOf } from './item-id.ts'
import { isInfinite, openList } from './list-draft.ts'
import { isOutdated, removeFromList, upsertIntoList } from './list-upsert.ts'

export const UPSERT: RowRules<UpsertEffect> = {
  openList,
  toList: upsertIntoList,
  toDetail: (effect, data) =>
    !isDetail(effect, data) || isOutdated(effect, data) ? data : replaceEqualDeep(data, effect.item),
}

export const PATCH: RowRules<PatchEffect> = {
  openList,
  toList(draft, effect) {
    for (const position of draft.find(effect.itemId, effect.id)) {
      const row = draft.rows[position]
      const patched = merge(effect, row)
      if (patched !== row) draft.splice(position, 1, patched)
    }
    return true
  },
  toDetail: (effect, data) => (isDetail(effect, data) ? merge(effect, data) : data),
}

export const REMOVE: RowRules<RemoveEffect> = {
  openList,
  toList: (draft, { itemId, id, limit }, context) =>
    removeFromList(draft, draft.find(itemId, id), { limit, context }),
  toDetail(effect, data) {
    isDetail(effect, data)
    return data
  },
}

/** Whether data that holds no list is the item of an effect. */
function isDetail({ id, itemId }: RowEffect, data: object): boolean {
  const found = isInfinite(data) ? undefined : idOf(id, data)
  if (found === undefined) rejectUnseenList(data)
  return found === itemId
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
