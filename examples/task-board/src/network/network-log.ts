/** What the network panel tells: what came over the wire, what became of it, and what the connection did. */
import type { Explanation, RealtimeEvent } from 'realtime-query-bridge'
import { bridge } from '../realtime.ts'
import { Store } from '../store.ts'
import { onWire, type WireHappening } from './wire.ts'

export interface LogEntry {
  readonly id: number
  readonly at: number
  /** `fault`: made by the panel. `repair`: the bridge putting it right. */
  readonly tone: 'event' | 'fault' | 'repair' | 'status' | 'error'
  readonly text: string
  readonly note?: string
  /** Line by line, for whoever opens the entry. */
  readonly details?: readonly string[]
}

const AT_MOST = 150

export const networkLog = new Store<readonly LogEntry[]>([])
let lastId = 0

export function logNetwork(entry: Omit<LogEntry, 'id' | 'at'>): void {
  networkLog.set((all) => [{ ...entry, id: ++lastId, at: Date.now() }, ...all].slice(0, AT_MOST))
}

interface Frame {
  readonly t: string
  readonly topic?: string
  readonly topics?: readonly { readonly topic: string; readonly position?: { readonly offset: number } }[]
  readonly outcome?: 'fresh' | 'replayed' | 'reset'
  readonly epoch?: string
  readonly events?: readonly { type: string; data: unknown; offset: number; mutationId?: string }[]
  readonly message?: string
}

/** Begins to write the log. Returns what ends it. */
export function writeNetworkLog(): () => void {
  const stopWire = onWire(logWire)
  let lastStatus = bridge.status.status
  const stopStatus = bridge.subscribe(({ status, reason }) => {
    if (status === lastStatus) return
    lastStatus = status
    if (status === 'live') logNetwork({ tone: 'status', text: 'Live' })
    else if (status === 'waiting') {
      logNetwork({ tone: 'status', text: reason === 'lost' ? 'Connection lost' : 'Could not connect' })
    } else if (status === 'offline') logNetwork({ tone: 'status', text: 'The browser says it is offline' })
    else if (status === 'closed') logNetwork({ tone: 'status', text: `Closed: ${reason ?? 'for good'}` })
  })
  return () => {
    stopWire()
    stopStatus()
  }
}

function logWire(happening: WireHappening): void {
  if (happening.what === 'cut') return logNetwork({ tone: 'fault', text: 'Connection cut' })
  const frame = JSON.parse(happening.text) as Frame
  if (happening.what === 'sent') {
    if (frame.t !== 'subscribe') return
    for (const { topic, position } of frame.topics ?? []) {
      if (position === undefined) logNetwork({ tone: 'status', text: `Subscribe to ${topic}` })
      else logNetwork({ tone: 'repair', text: `Ask for ${topic} after #${position.offset}` })
    }
    return
  }
  if (frame.t === 'subscribed') {
    if (frame.outcome === 'reset') {
      logNetwork({ tone: 'repair', text: `History of ${frame.topic} lost: fetch again` })
    } else if (frame.outcome === 'replayed') {
      const count = frame.events?.length ?? 0
      logNetwork({
        tone: 'repair',
        text:
          count === 0 ? `${frame.topic}: nothing was missed` : `${frame.topic}: ${count} missed, replayed`,
      })
    }
  } else if (frame.t === 'refused') {
    logNetwork({ tone: 'error', text: `${frame.topic} refused: ${frame.message}` })
  } else if (frame.t === 'going-away') {
    logNetwork({ tone: 'status', text: 'The server is going away' })
  }
  for (const event of frame.events ?? []) logEvent(event, frame, happening.fate)
}

function logEvent(
  wire: NonNullable<Frame['events']>[number],
  { topic, epoch = '' }: Frame,
  fate: 'delivered' | 'lost' | 'doubled',
): void {
  const name = `${wire.type} #${wire.offset}`
  if (fate === 'lost') return logNetwork({ tone: 'fault', text: name, note: 'lost on the way' })
  const event: RealtimeEvent = {
    type: wire.type,
    data: wire.data,
    topic,
    position: { epoch, offset: wire.offset },
    mutationId: wire.mutationId,
  }
  const explanation = bridge.explain(event)
  logNetwork({
    tone: 'event',
    text: name,
    note: `${fate === 'doubled' ? 'delivered twice; ' : ''}${summary(explanation)}`,
    details: [
      `topic ${topic}`,
      ...explanation.effects.flatMap(({ description, queries }) => [
        description,
        ...queries.map(
          ({ queryKey, action, why }) =>
            `  ${action} ${JSON.stringify(queryKey)}${why === undefined ? '' : ` (${why})`}`,
        ),
      ]),
    ],
  })
}

/** "patches 3 queries, refetches 1": what an event is about to do. */
function summary({ ok, error, effects }: Explanation): string {
  if (!ok) return error?.message ?? 'skipped'
  const actions = effects.flatMap((effect) => effect.queries.map((query) => query.action))
  const count = (action: string) => actions.filter((other) => other === action).length
  const parts = [
    [count('patch'), 'patched'],
    [count('refetch'), 'fetched again'],
    [count('mark-stale'), 'marked stale'],
    [count('drop'), 'dropped'],
  ] as const
  const said = parts
    .filter(([n]) => n > 0)
    .map(([n, verb]) => `${n} ${n === 1 ? 'query' : 'queries'} ${verb}`)
  return said.length === 0 ? 'nothing to change' : said.join(', ')
}
