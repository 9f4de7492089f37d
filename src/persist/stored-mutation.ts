/** A pending mutation as it is stored: what TanStack dehydrates of one, and whose it is. */
import type { DehydratedState, MutationKey } from '@tanstack/query-core'
import type { OpenMutation } from '../core/cache/mutations/pending-mutation.ts'

type Dehydrated = DehydratedState['mutations'][number]

export interface StoredMutation extends Dehydrated {
  readonly mutationKey: MutationKey
  readonly realtime: {
    readonly version: number
    readonly mutationId: string
    /** The tab that sends it. */
    readonly owner: string
    /** The user who made it. It is never sent as another one. */
    readonly identity: string | null
    readonly buster: string
  }
}

/** Raised when a stored mutation changes its shape. */
export const FORMAT = 1

/** What is stored of a mutation: enough to send it again under its own id. Whose it is, its owner adds. */
export function storedMutation(
  { mutationId, mutation, variables, error }: OpenMutation,
  mutationKey: MutationKey,
): Omit<StoredMutation, 'realtime'> & { realtime: { mutationId: string } } {
  const { scope } = mutation.options
  const { meta, state } = mutation
  const context: unknown = state.context
  return {
    mutationKey,
    ...(scope && { scope: { id: scope.id } }),
    ...(meta && isPlain(meta) && { meta }),
    state: {
      // What `onMutate` has given to the callbacks may hold functions: those are made for this page.
      context: { ...(isPlain(context) ? context : {}), mutationId },
      data: undefined,
      error: error === undefined ? null : (inWords(error) as Error),
      failureCount: 0,
      failureReason: null,
      isPaused: error === undefined,
      status: error === undefined ? 'pending' : 'error',
      variables,
      submittedAt: state.submittedAt,
    },
    realtime: { mutationId },
  }
}

/** It waits for the app to try it again, or to give it up. */
export const isRefused = ({ state }: StoredMutation): boolean => state.status === 'error'

/** An error as it is stored: its class is lost. */
function inWords(error: unknown): unknown {
  if (!(error instanceof Error)) return isPlain(error) ? error : { name: 'Error', message: String(error) }
  const own = (Object.entries(error) as [string, unknown][]).filter(([, value]) => isPlain({ value }))
  return { ...Object.fromEntries(own), name: error.name, message: error.message }
}

/** A stored mutation as TanStack restores it. */
export function revived({ realtime: _, ...dehydrated }: StoredMutation): Dehydrated {
  const { state } = dehydrated
  if (state.status !== 'error') return dehydrated
  return { ...dehydrated, state: { ...state, error: Object.assign(new Error(), state.error) } }
}

/** What was read, if it is a stored mutation of the format that is known here. */
export function decodeStored(entry: unknown): StoredMutation | undefined {
  const { mutationKey, state, realtime } = (entry ?? {}) as Partial<StoredMutation>
  if (!Array.isArray(mutationKey) || typeof state !== 'object' || typeof realtime !== 'object')
    return undefined
  const { version, mutationId, owner } = realtime
  const isKnown = version === FORMAT && typeof mutationId === 'string' && typeof owner === 'string'
  return isKnown && typeof state.submittedAt === 'number' ? (entry as StoredMutation) : undefined
}

/** Stored by a version of the app that is newer than this one. It is left alone. */
export function isNewerFormat(entry: unknown): boolean {
  const { version } = ((entry as Partial<StoredMutation> | null)?.realtime ?? {}) as { version?: unknown }
  return typeof version === 'number' && version > FORMAT
}

/** Whether a store has given back what it was given. A property that is `undefined` is as good as none. */
export function isSame(one: unknown, other: unknown, within: readonly unknown[] = []): boolean {
  if (one === other || (one !== one && other !== other)) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false
  if (within.includes(one)) return true // It goes in a circle, and was looked at.
  const inside = [...within, one]
  const areSame = (ones: ArrayLike<unknown>, others: ArrayLike<unknown>): boolean =>
    ones.length === others.length &&
    Array.from(ones).every((item, index) => isSame(item, others[index], inside))
  if (Array.isArray(one)) return areSame(one, other as unknown[])
  if (one instanceof Date) return one.getTime() === (other as Date).getTime()
  if (one instanceof Map || one instanceof Set) return areSame([...one], [...(other as Set<unknown>)])
  if (ArrayBuffer.isView(one) || one instanceof ArrayBuffer) return areSame(bytesOf(one), bytesOf(other))
  if (typeof Blob === 'function' && one instanceof Blob) {
    return one.size === (other as Blob).size && one.type === (other as Blob).type
  }
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  const valuesOf = (source: object) => keys.map((key) => source[key as never])
  return areSame(valuesOf(one), valuesOf(other))
}

const bytesOf = (source: object): Uint8Array =>
  ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source as ArrayBuffer)

/** Why no store can keep a value; `undefined`: some can. */
export function whyUnstorable(value: unknown): unknown {
  try {
    JSON.stringify(value)
    if (typeof structuredClone === 'function') structuredClone(value)
    return undefined
  } catch (cause) {
    return cause
  }
}

/** Whether an object is the same after it was JSON. */
function isPlain(value: unknown): value is object {
  try {
    return typeof value === 'object' && value !== null && isSame(JSON.parse(JSON.stringify(value)), value)
  } catch {
    return false
  }
}
