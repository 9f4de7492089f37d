/**
 * Frames that carry events and signals. What is in them is JSON text already, written once, so these frames are put
 * together around it and not serialised again. They decode to the same messages that
 * `encodeMessage` would have written.
 */
import type { Position } from '../../core/event.ts'
import type { ResyncOutcome } from '../../core/protocol/messages.ts'
import type { LogEvent } from '../event-log.ts'

const quote = (text: string) => JSON.stringify(text)

function eventJson({ type, json, offset, mutationId }: LogEvent): string {
  const mutation = mutationId === undefined ? '' : `,"mutationId":${quote(mutationId)}`
  return `{"type":${quote(type)},"data":${json},"offset":${offset}${mutation}}`
}

const listJson = (events: readonly LogEvent[]) => `[${events.map(eventJson).join(',')}]`

export function eventsFrame(topic: string, epoch: string, events: readonly LogEvent[]): string {
  return `{"t":"events","topic":${quote(topic)},"epoch":${quote(epoch)},"events":${listJson(events)}}`
}

export function subscribedFrame(answer: {
  topic: string
  outcome: ResyncOutcome
  position: Position
  events?: readonly LogEvent[] | undefined
  quietMs?: number | undefined
}): string {
  const { topic, outcome, position, events, quietMs } = answer
  const tail =
    (events ? `,"events":${listJson(events)}` : '') + (quietMs === undefined ? '' : `,"quietMs":${quietMs}`)
  const { epoch, offset } = position
  return `{"t":"subscribed","topic":${quote(topic)},"outcome":"${outcome}","position":${JSON.stringify({ epoch, offset })}${tail}}`
}

/** Each signal as JSON text: of many senders, each is sent those of all others. */
export function signalsFrame(topic: string, signals: readonly string[]): string {
  return `{"t":"signals","topic":${quote(topic)},"signals":[${signals.join(',')}]}`
}
