import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { QueryKey } from '@tanstack/query-core'
import { check } from './check-arguments.ts'
import type { ItemId, ListLens } from './effect.ts'
import { drop, remove, upsert, type EffectFilters, type UpsertOptions } from './effects.ts'
import { defaultId, idOf } from './item-id.ts'
import { on, type EventRule } from './event-table.ts'

export interface ResourceOptions<TSchema extends StandardSchemaV1> extends Omit<
  UpsertOptions<StandardSchemaV1.InferOutput<TSchema>>,
  'list'
> {
  /** The queries that list items: a query key that theirs begin with, or filters. */
  readonly list: EffectFilters
  /** The key of one item's query. */
  readonly detail?: ((id: ItemId) => QueryKey) | undefined
  /** An item, as `created` and `updated` events carry it. */
  readonly schema: TSchema
  /** Where the rows are, when lists are envelopes: what the other effects call `list`. */
  readonly lens?: string | ListLens | undefined
}

/** What a `deleted` event carries: as much of the item as tells its id. */
export type DeletedData<TItem> = TItem extends { readonly id: infer TId extends ItemId }
  ? { readonly id: TId }
  : Partial<TItem>

/** The rows that `resource` makes. */
export type ResourceRules<TName extends string, TItem> = {
  readonly [TType in `${TName}.created` | `${TName}.updated`]: EventRule<string, TItem>
} & { readonly [TType in `${TName}.deleted`]: EventRule<string, DeletedData<TItem>> }

/**
 * The usual rows of a REST resource, to spread into a table: `<name>.created` and `<name>.updated` (the item) upsert
 * it into lists and into its detail, `<name>.deleted` (`{ id }`) removes it from lists and drops its detail.
 *
 * @example
 * defineEvents({ ...resource('task', { schema: Task, list: ['tasks', 'list'], detail: (id) => ['tasks', 'detail', id] }) })
 */
export function resource<const TName extends string, TSchema extends StandardSchemaV1>(
  name: TName,
  options: ResourceOptions<TSchema>,
): ResourceRules<TName, StandardSchemaV1.InferOutput<TSchema>> {
  const { schema, list, detail, lens, ...rest } = options as unknown as ResourceOptions<StandardSchemaV1>
  if (process.env['NODE_ENV'] !== 'production') {
    check(
      detail === undefined || typeof detail === 'function',
      'resource',
      "`detail` must be a function, as (id) => ['tasks', 'detail', id]",
    )
  }
  const id = rest.id ?? defaultId
  const save = on(schema, (item) => {
    const effects = [upsert(list, item, { ...rest, id, list: lens })]
    // Not a prefix: what else is kept below an item's key (its comments, say) is no place for the item.
    if (detail)
      effects.push(upsert({ queryKey: detail(id(item)), exact: true }, item, { id, version: rest.version }))
    return effects
  })
  const deleted = on(withId(id), (data) => [
    remove(list, id(data), { id, list: lens, limit: rest.limit }),
    ...(detail ? [drop(detail(id(data)))] : []),
  ])
  const rules = { [`${name}.created`]: save, [`${name}.updated`]: save, [`${name}.deleted`]: deleted }
  return rules as unknown as ResourceRules<TName, StandardSchemaV1.InferOutput<TSchema>>
}

/** Any data from which `id` reads an id. */
function withId(id: (item: unknown) => ItemId): StandardSchemaV1 {
  return {
    '~standard': {
      version: 1,
      vendor: 'realtime-query-bridge',
      validate: (value) =>
        idOf(id, value) === undefined ? { issues: [{ message: 'no id; send { id } as data' }] } : { value },
    },
  }
}
