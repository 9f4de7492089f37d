/** Keeps from the recording, and so from the screen, what the app does not want there. */
import type { RealtimeError } from '../core/errors.ts'
import type { RealtimeEvent } from '../core/event.ts'
import type { Effect } from '../core/routing/effect.ts'
import { describeEffect } from '../core/routing/effects.ts'
import type { Failure } from './record.ts'

/** Where a value stands. */
export interface RedactContext {
  readonly kind: 'event' | 'send' | 'ack' | 'mutation' | 'query' | 'error'
  /** The type of the event or the send, the code of the error. */
  readonly name?: string | undefined
}

/**
 * Gives what may be recorded and shown in place of `value`. It must not change `value`.
 *
 * @example
 * const redact: Redact = (value, { kind }) => (kind === 'event' ? { id: (value as Row).id } : '(hidden)')
 */
export type Redact = (value: unknown, context: RedactContext) => unknown

/** As the app's hook says. What it throws on is not shown. */
export function redacted(redact: Redact | undefined, value: unknown, context: RedactContext): unknown {
  if (!redact || value === undefined || value === null) return value
  try {
    return redact(value, context)
  } catch {
    return '(redact threw)'
  }
}

/** What is kept of an error. */
export function failureOf(error: RealtimeError, redact: Redact | undefined): Failure {
  const message = error.message.replace(/^\[realtime-query-bridge\] /, '')
  return { code: error.code, message, details: detailsOf(error, redact) }
}

/** The details of an error. They name the event and the effect that it is about, data and all. */
function detailsOf({ code, details }: RealtimeError, redact: Redact | undefined): unknown {
  if (!details) return undefined
  const { event, effect, issues, ...rest } = details
  const shown: Record<string, unknown> = redact
    ? { ...(redacted(redact, rest, { kind: 'error', name: code }) as object) }
    : { ...rest }
  if (isObject(event)) {
    const { type, data } = event as unknown as RealtimeEvent
    shown['event'] = { ...event, data: redacted(redact, data, { kind: 'event', name: type }) }
  }
  if (isObject(effect)) shown['effect'] = describeEffect(effect as unknown as Effect)
  // Schema libraries put the input into them.
  if (Array.isArray(issues)) shown['issues'] = redact ? issues.map(briefly) : issues
  return shown
}

function briefly(issue: unknown): unknown {
  const { message, path } = (issue ?? {}) as { message?: unknown; path?: unknown }
  return { message, path }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
