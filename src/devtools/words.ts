/** What is recorded, in words. */
import type { Position } from '../core/event.ts'
import type { Ack } from '../core/session/session.ts'
import type { Entry, MutationChange, Outcome, TopicChange, TopicEntry } from './record.ts'
import { outcomesIn, OUTCOMES } from './touched.ts'

/** What a colour says. */
export type Tone = 'good' | 'warn' | 'bad' | 'calm'

export const OUTCOME_WORDS: Record<Outcome, { readonly short: string; readonly long: string; tone: Tone }> = {
  changed: { short: 'changed', long: 'It shows other data.', tone: 'good' },
  fetched: { short: 'fetched', long: 'It is out of date, and is fetched.', tone: 'good' },
  stale: {
    short: 'marked stale',
    long: 'It is out of date. It is not on screen, so it is fetched when it is used again.',
    tone: 'calm',
  },
  dropped: { short: 'dropped', long: 'It has left the cache, or begins anew on screen.', tone: 'calm' },
  'no-data': {
    short: 'no data yet',
    long: 'It has no data that could change. The response on its way is brought up to date.',
    tone: 'calm',
  },
  unchanged: {
    short: 'unchanged',
    long: 'It has shown this already, or it holds none of the rows that the effect is about.',
    tone: 'calm',
  },
}

export const MUTATION_TONES: Record<MutationChange, Tone> = {
  queued: 'calm',
  saving: 'calm',
  confirming: 'calm',
  settled: 'good',
  gone: 'calm',
  unknown: 'warn',
  failed: 'bad',
}

const TOPIC_WORDS: Record<TopicChange, readonly [text: string, tone: Tone]> = {
  wanted: ['is wanted', 'calm'],
  fresh: ['subscribed, and live', 'good'],
  replayed: ['live again: what was missed has come', 'good'],
  reset: ['reset: history was lost, its queries are fetched', 'warn'],
  gap: ['gap: an event is missing, and is asked for', 'warn'],
  refused: ['refused by the server', 'bad'],
  left: ['is not wanted any more', 'calm'],
}

/** A time of day with milliseconds. */
export function timeOf(at: number): string {
  const date = new Date(at)
  const two = (part: number) => String(part).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}

export const positionText = ({ epoch, offset }: Position): string => `${epoch}:${offset}`

/** For a line: the beginning of an epoch tells it from another. */
export function shortPosition({ epoch, offset }: Position): string {
  return `${epoch.length > 8 ? `${epoch.slice(0, 8)}…` : epoch}:${offset}`
}

export interface Line {
  readonly badge: string
  readonly tone: Tone
  readonly title: string
  /** What has come of it. */
  readonly end: string
}

/** An entry as a line of a list. */
export function lineOf(entry: Entry): Line {
  switch (entry.kind) {
    case 'event': {
      const { effects, isOwn, isReplay, together } = entry
      const counts = countsOf([...outcomesIn(effects).values()])
      const badge = isOwn ? 'echo' : isReplay ? 'replay' : 'event'
      const isIdle = together !== undefined && !counts.some(({ outcome }) => outcome !== 'unchanged')
      const nothing = effects.length === 0 ? 'no effects' : 'no query'
      const texts = counts.map(({ outcome, count }) => `${count} ${OUTCOME_WORDS[outcome].short}`)
      const end = together === undefined ? 'waits' : texts.join(', ') || nothing
      return { badge, tone: isIdle ? 'calm' : 'good', title: titleOf(entry), end }
    }
    case 'refused':
      return { badge: 'refused', tone: 'bad', title: titleOf(entry), end: entry.code }
    case 'error':
      return { badge: 'error', tone: 'bad', title: entry.message, end: entry.code }
    case 'status': {
      const { status, reason, attempt } = entry.status
      const tone = status === 'live' ? 'good' : status === 'closed' || status === 'offline' ? 'bad' : 'warn'
      return {
        badge: 'status',
        tone,
        title: status,
        end: [reason, attemptText(attempt)].filter(Boolean).join(', '),
      }
    }
    case 'user':
      return { badge: 'user', tone: 'calm', title: 'Another user: the recording begins anew', end: '' }
    case 'topic':
      return topicLine(entry)
    case 'mutation':
      return { badge: 'mutation', tone: MUTATION_TONES[entry.what], title: entry.mutationId, end: entry.what }
    case 'send':
      return { badge: 'send', tone: ackTone(entry.ack), title: entry.type, end: entry.ack?.fate ?? 'waits' }
    case 'write':
      return {
        badge: 'write',
        tone: 'calm',
        title: 'bridge.write',
        end: entry.effects.map(({ kind }) => kind).join(', '),
      }
  }
}

export const attemptText = (attempt: number): string => (attempt > 0 ? `attempt ${attempt}` : '')

function topicLine({ topic, what, position, quietMs }: TopicEntry): Line {
  const [words, tone] = TOPIC_WORDS[what]
  const at = position && `at ${shortPosition(position)}`
  const quiet = quietMs === undefined ? undefined : `quiet for ${Math.round(quietMs)} ms`
  const title = `${topic ?? 'The connection'} ${words}`
  return { badge: 'topic', tone, title, end: [at, quiet].filter(Boolean).join(', ') }
}

function titleOf({
  type,
  topic,
  position,
}: {
  type: string
  topic?: string | undefined
  position?: Position | undefined
}) {
  const where = topic === undefined ? '' : ` · ${topic}`
  return `${type}${where}${position ? ` #${position.offset}` : ''}`
}

function ackTone(ack: Ack | undefined): Tone {
  if (!ack) return 'calm'
  return ack.fate === 'acked' ? 'good' : ack.fate === 'refused' ? 'bad' : 'warn'
}

function countsOf(outcomes: readonly (Outcome | undefined)[]) {
  return OUTCOMES.map((outcome) => ({
    outcome,
    count: outcomes.filter((other) => other === outcome).length,
  })).filter(({ count }) => count > 0)
}
