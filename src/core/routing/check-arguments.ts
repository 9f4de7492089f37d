/**
 * The checks of what effects are given. Those of options concern what stands in the program, not what an event
 * brings: they run in development and tests alone, and are no part of an app's production bundle.
 */
import { RealtimeError } from '../errors.ts'
import type { ListLens } from './effect.ts'
import type { RemoveOptions, UpsertOptions } from './effects.ts'

/** @throws RealtimeError `usage`, with the remedy where there is one, unless what is checked is right */
export function check(isRight: unknown, effect: string, remedy: string | undefined): asserts isRight {
  if (!isRight) throw new RealtimeError('usage', `${effect}: ${remedy ?? 'an argument is wrong'}.`)
}

export function checkListOptions(effect: string, options: RemoveOptions<never>): void {
  const { id, list, limit } = options as RemoveOptions<unknown>
  check(isFunction(id), effect, '`id` must be a function that gives the id of a row')
  check(
    list === undefined || typeof list === 'string' || isLens(list),
    effect,
    "`list` must be the name of a property, as { list: 'items' }, or a lens { get, set }",
  )
  check(
    limit === undefined || (Number.isInteger(limit) && limit > 0),
    effect,
    '`limit` must be a whole number above 0; leave it out where a list has no limit',
  )
}

export function checkUpsertOptions({ where, sort, version, at }: UpsertOptions<never>): void {
  for (const [name, option] of Object.entries({ where, sort, version })) {
    check(isFunction(option), 'upsert', `\`${name}\` must be a function`)
  }
  check(at === undefined || at === 'start' || at === 'end', 'upsert', "`at` must be 'start' or 'end'")
}

const isFunction = (option: unknown): boolean => option === undefined || typeof option === 'function'

const isLens = (list: Partial<ListLens> | null): boolean =>
  typeof list?.get === 'function' && typeof list.set === 'function'
