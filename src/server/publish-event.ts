import { Buffer } from 'node:buffer'
import { RealtimeError } from '../core/errors.ts'
import type { NewLogEvent } from './event-log.ts'
import type { ServerLimits } from './limits.ts'

/** An event as the app publishes it. */
export interface PublishedEvent<TType extends string = string, TData = unknown> {
  readonly type: TType
  /** Anything that JSON can carry. */
  readonly data: TData
  /**
   * The id of the mutation that caused it, as the client sent it, so that the client knows its own echo. One that
   * is empty or longer than 128 characters is left out.
   */
  readonly mutationId?: string | undefined
}

/** The events that may be published, `type` telling which data. `TMap` maps types to data, as in `EventMap`. */
export type PublishedEvents<TMap extends object> = {
  [TType in keyof TMap & string]: undefined extends TMap[TType]
    ? Omit<PublishedEvent<TType>, 'data'> & { readonly data?: TMap[TType] | undefined }
    : PublishedEvent<TType, TMap[TType]>
}[keyof TMap & string]

/** What `defineEvents` gives, as far as a server needs it: one file with the table serves both ends. */
export interface PublishTable<TMap extends object = Record<string, unknown>> {
  readonly rules: ReadonlyMap<
    string,
    { readonly schema: { readonly '~standard': { validate(value: unknown): unknown } } }
  >
  /** Never there: it carries the types. */
  readonly '~types'?: { readonly map: TMap } | undefined
}

const MAX_MUTATION_ID_LENGTH = 128

interface AnyEvent {
  readonly type: string
  readonly data?: unknown
  readonly mutationId?: string | undefined
}

/** The event as the log takes it. Throws `usage` for one that cannot be published. */
export function toLogEvent(
  topic: string,
  event: AnyEvent,
  { limits, table }: { limits: ServerLimits; table: PublishTable<object> | undefined },
): NewLogEvent {
  if (typeof topic !== 'string' || topic === '' || topic.length > limits.maxTopicLength) {
    throw usage(`A topic must be text of 1 to ${limits.maxTopicLength} characters (limits.maxTopicLength).`)
  }
  if (typeof event.type !== 'string' || event.type === '') {
    throw usage(`An event of topic '${topic}' has no type. Publish { type, data }.`)
  }
  const json = jsonOf(event)
  if (Buffer.byteLength(json) > limits.maxEventBytes) {
    throw usage(
      `The data of '${event.type}' is larger than ${limits.maxEventBytes} bytes (limits.maxEventBytes). Publish the id and let clients refetch.`,
    )
  }
  if (table) requireValid(event, json, table)
  const { type, mutationId } = event
  const isUsable =
    typeof mutationId === 'string' && mutationId !== '' && mutationId.length <= MAX_MUTATION_ID_LENGTH
  return { type, json, mutationId: isUsable ? mutationId : undefined }
}

/** Asks the schema about what clients will read: the data after JSON, where a `Date` is text and `undefined` is gone. */
function requireValid({ type }: AnyEvent, json: string, table: PublishTable<object>): void {
  const rule = table.rules.get(type)
  if (!rule) {
    throw usage(`'${type}' is not in the table of events, so no client would know it. Add a row for it.`)
  }
  let result: unknown
  try {
    result = rule.schema['~standard'].validate(JSON.parse(json))
  } catch (cause) {
    throw usage(`The data of '${type}' made its schema throw: it was not published.`, cause)
  }
  if (result instanceof Promise) {
    throw usage(`'${type}' has an async schema. Use one that validates at once: clients need that, too.`)
  }
  const { issues } = result as { issues?: readonly Issue[] }
  const [issue] = issues ?? []
  if (!issue) return
  const path = issue.path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  throw usage(
    `The data of '${type}' fails its schema${path ? ` at ${path}` : ''}: ${issue.message}. It was not published: every client would skip it.`,
  )
}

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[]
}

const usage = (message: string, cause?: unknown) => new RealtimeError('usage', message, { cause })

function jsonOf({ type, data }: AnyEvent): string {
  if (data === undefined) return 'null'
  let cause: unknown
  try {
    const json = JSON.stringify(data) as string | undefined
    if (json !== undefined) return json
  } catch (error) {
    cause = error
  }
  throw usage(`The data of '${type}' is not JSON. Publish plain objects, arrays, strings and numbers.`, cause)
}
