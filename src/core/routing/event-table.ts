/**
 * The event table: what each type of event does to the cache. It validates an event's data and gives the effects;
 * it changes nothing, knows no query and never throws on what comes from the wire.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { RealtimeError, remedy, type RealtimeErrorCode } from '../errors.ts'
import type { RealtimeEvent } from '../event.ts'
import { check } from './check-arguments.ts'
import type { Effect } from './effect.ts'

/** What a handler may return. Nothing, or an empty list: the event deliberately has no effect. */
export type HandlerResult = Effect | readonly Effect[] | void

/** One row of a table, made by `on`. */
export interface EventRule<TType extends string = string, TData = unknown> {
  readonly schema: StandardSchemaV1<unknown, TData>
  // A method, so that a rule for any type of event fits every row.
  handle(data: TData, event: RealtimeEvent<TType, TData>): HandlerResult
}

/** What `resolve` gives. `event` carries the data as the schema gave it out. */
export type Resolved =
  | { readonly ok: true; readonly event: RealtimeEvent; readonly effects: readonly Effect[] }
  | { readonly ok: false; readonly error: RealtimeError }

/** An event that has not come yet, made by `events.predict`, with what it will do. */
export interface PredictedEvent {
  readonly kind: 'predicted'
  readonly type: string
  readonly data: unknown
  readonly effects: readonly Effect[]
}

/** Made by `defineEvents`. `TMap` maps each type of event to its data. */
export interface EventTable<TMap extends object = Record<string, unknown>> {
  /** The types of event in the table, in order. */
  readonly types: readonly string[]
  has(type: string): boolean
  /** What an event does: its effects, or the reason why it is skipped. Pure, and never throws. */
  resolve(event: RealtimeEvent): Resolved
  /**
   * The event that a mutation will cause, for `optimistic` and `confirm`: the same row of the table applies it.
   *
   * @param data - what a handler gets: the schema is not asked
   * @throws RealtimeError when the table has no such type, or what the handler throws
   */
  predict<TType extends keyof TMap & string>(type: TType, data: TMap[TType]): PredictedEvent
  /** @internal */
  readonly rules: ReadonlyMap<string, EventRule>
  /** Never there: it carries the types. */
  readonly '~types'?: { readonly map: TMap } | undefined
}

/** The data of each type of event of a table, as its schemas give it out. */
export type EventMap<TTable extends EventTable> = NonNullable<TTable['~types']>['map']

/** Every event of a table, as a union that `type` tells apart. */
export type InferEvents<TTable extends EventTable> = {
  [TType in keyof EventMap<TTable> & string]: RealtimeEvent<TType, EventMap<TTable>[TType]>
}[keyof EventMap<TTable> & string]

/**
 * Names the app's table once, so that hooks are typed by it everywhere.
 *
 * @example
 * declare module 'realtime-query-bridge' {
 *   interface Register {
 *     events: typeof events
 *   }
 * }
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- apps add to it
export interface Register {}

/** The table that `Register` names; without one, any type of event with unknown data. */
export type RegisteredTable = Register extends { events: infer TTable extends EventTable }
  ? TTable
  : EventTable

/**
 * One row of a table: a schema (zod, valibot, or any other Standard Schema) and what an event with such data does.
 * `handle` must be pure and synchronous.
 */
export function on<TSchema extends StandardSchemaV1, TType extends string = string>(
  schema: TSchema,
  handle: (
    data: StandardSchemaV1.InferOutput<TSchema>,
    event: RealtimeEvent<TType, StandardSchemaV1.InferOutput<TSchema>>,
  ) => HandlerResult,
): EventRule<TType, StandardSchemaV1.InferOutput<TSchema>> {
  if (process.env['NODE_ENV'] !== 'production') {
    check(
      typeof (schema as Partial<StandardSchemaV1> | undefined)?.['~standard']?.validate === 'function',
      'on',
      'the first argument must be a Standard Schema (zod 3.24 or newer, valibot 1, arktype 2, …)',
    )
    check(
      typeof handle === 'function',
      'on',
      'the second argument must be a function (data, event) => effects',
    )
  }
  return { schema, handle }
}

/**
 * The table of an app: for each type of event a row made by `on`.
 *
 * @example
 * const events = defineEvents({
 *   'task.updated': on(Task, (task) => upsert(['tasks'], task)),
 *   'tasks.imported': on(z.unknown(), () => invalidate(['tasks'])),
 * })
 */
export function defineEvents<TMap extends object>(table: {
  readonly [TType in keyof TMap]: EventRule<TType & string, TMap[TType]>
}): EventTable<TMap> {
  const rows = Object.entries(table as Record<string, EventRule>)
  if (process.env['NODE_ENV'] !== 'production') {
    for (const [type, rule] of rows as [string, Partial<EventRule> | null | undefined][]) {
      check(
        typeof rule?.handle === 'function',
        'defineEvents',
        `the row "${type}" must be made by on(schema, handler)`,
      )
    }
  }
  return tableOf(rows)
}

/**
 * One table of several, each type of event in exactly one of them.
 *
 * @throws RealtimeError when two tables have the same type
 */
export function mergeEvents<TTables extends readonly EventTable[]>(
  ...tables: TTables
): EventTable<MergedMap<TTables>> {
  const rows = tables.flatMap(({ rules }) => [...rules])
  if (process.env['NODE_ENV'] !== 'production') {
    const types = new Set<string>()
    for (const [type] of rows) {
      check(!types.has(type), 'mergeEvents', `two tables have the type "${type}"; keep one of the rows`)
      types.add(type)
    }
  }
  return tableOf(rows)
}

type MergedMap<TTables extends readonly EventTable[]> = TTables extends readonly [
  infer TFirst extends EventTable,
  ...infer TRest extends readonly EventTable[],
]
  ? Flat<EventMap<TFirst> & MergedMap<TRest>>
  : Record<never, never>

/** An intersection written out, so that editors show it. */
type Flat<TMap> = { [TType in keyof TMap]: TMap[TType] }

function tableOf<TMap extends object>(rows: readonly (readonly [string, EventRule])[]): EventTable<TMap> {
  // A Map: `constructor` or `__proto__` on the wire must not find what every object has.
  const rules = new Map(rows)
  return {
    rules,
    types: [...rules.keys()],
    has: (type) => rules.has(type),
    resolve: (event) => resolve(rules, event),
    predict: (type, data) => predict(rules, type, data),
  }
}

function resolve(rules: ReadonlyMap<string, EventRule>, event: RealtimeEvent): Resolved {
  const type = (event as RealtimeEvent | null | undefined)?.type as string
  const fail = (
    code: RealtimeErrorCode,
    message: string,
    { issues, ...rest }: { cause?: unknown; issues?: unknown; remedy?: string | undefined } = {},
  ) => {
    const details = { event, issues }
    const error = new RealtimeError(code, `The event "${type}" ${message}`, { ...rest, details })
    return { ok: false as const, error }
  }
  const rule = rules.get(type)
  if (!rule)
    return fail('unknown-event', 'is not in the table.', {
      remedy: remedy('Add a row for it, or do not send it.'),
    })

  let typed = event
  try {
    const checked = rule.schema['~standard'].validate(event.data)
    if (isPromise(checked)) {
      const whatToDo = remedy('Use one that validates at once, to keep the order.')
      return fail('invalid-data', 'has an async schema.', { remedy: whatToDo })
    }
    const { issues } = checked
    if (issues) {
      const [issue] = issues
      const path = issue?.path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
      const at = path ? ` at ${path}` : ''
      const whatToDo =
        event.data === undefined ? remedy('It has no `data`: `decode` gives { type, data }.') : undefined
      const end = whatToDo ? '.' : ''
      return fail('invalid-data', `fails its schema${at}: ${issue?.message}${end}`, {
        issues,
        remedy: whatToDo,
      })
    }
    if (checked.value !== event.data) typed = { ...event, data: checked.value }
  } catch (cause) {
    return fail('invalid-data', `made its schema throw: ${String(cause)}`, { cause })
  }

  try {
    const result = rule.handle(typed.data, typed)
    const effects = result === undefined ? [] : [result as Effect | Effect[]].flat()
    if (effects.every(isEffect)) return { ok: true, event: typed, effects }
    isPromise(result)
    const whatToDo = remedy('Return effects, or nothing.')
    return fail('handler-failed', 'has a handler that returned something else.', { remedy: whatToDo })
  } catch (cause) {
    return fail('handler-failed', `made its handler throw: ${String(cause)}`, { cause })
  }
}

function predict(rules: ReadonlyMap<string, EventRule>, type: string, data: unknown): PredictedEvent {
  const rule = rules.get(type)
  if (!rule) {
    const types =
      process.env['NODE_ENV'] === 'production' ? undefined : `It has: ${[...rules.keys()].join(', ')}.`
    throw new RealtimeError('usage', `predict: no event "${type}" in the table.`, { remedy: types })
  }
  const result = rule.handle(data, { type, data })
  return {
    kind: 'predicted',
    type,
    data,
    effects: result === undefined ? [] : [result as Effect | Effect[]].flat(),
  }
}

const KINDS: ReadonlySet<unknown> = new Set<Effect['kind']>([
  'invalidate',
  'setData',
  'update',
  'upsert',
  'patch',
  'remove',
  'drop',
])

const isEffect = (value: Partial<Effect> | null | undefined): boolean => KINDS.has(value?.kind)

/** Whether it is a promise. Nobody waits for it, so its rejection is not to go unhandled. */
function isPromise(value: unknown): value is PromiseLike<unknown> {
  const isOne = typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
  if (isOne) void Promise.resolve(value).catch(() => undefined)
  return isOne
}
