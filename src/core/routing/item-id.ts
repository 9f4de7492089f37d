import type { ItemId } from './effect.ts'

export function isItemId(value: unknown): value is ItemId {
  return typeof value === 'string' || (typeof value === 'number' && !Number.isNaN(value))
}

/** The id of what may be an item; `undefined` when it is none, also when a function made for items fails on it. */
export function idOf(id: (item: unknown) => ItemId, item: unknown): ItemId | undefined {
  try {
    const value = id(item)
    return isItemId(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** One function for all, so that a list's id index serves every effect. */
export const defaultId = (item: unknown): ItemId => (item as { id: ItemId } | null | undefined)?.id as ItemId
