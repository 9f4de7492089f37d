import type { Query } from '@tanstack/query-core'
import { useCallback, useState } from 'react'
import { viewOf, type QueryView } from './bridge-view.ts'
import { Badge, Facts, Json } from './parts.tsx'
import { PickList } from './pick-list.tsx'
import type { EventEntry, Entry } from './record.ts'
import type { Recorder } from './recorder.ts'
import { textOf } from './text.ts'
import { outcomesIn, whyNot } from './touched.ts'
import { lineOf, OUTCOME_WORDS, positionText, timeOf } from './words.ts'

/** Events of which it is said what they have done to a query. */
const MAX_EVENTS = 10

/** The queries of the client, those on screen first. */
export function QueriesTab({ recorder, version }: { readonly recorder: Recorder; readonly version: number }) {
  const { bridge } = recorder
  const [text, setText] = useState('')
  const [selected, setSelected] = useState<string>()
  const wanted = text.toLowerCase()
  const all = bridge.queryClient.getQueryCache().getAll()
  const found = all.filter(({ queryHash }) => queryHash.toLowerCase().includes(wanted))
  const queries = [
    ...found.filter((query) => query.isActive()),
    ...found.filter((query) => !query.isActive()),
  ]
  const picked = all.find(({ queryHash }) => queryHash === selected)
  const row = useCallback((query: Query) => <QueryRow query={query} view={viewOf(bridge, query)} />, [bridge])

  return (
    <>
      <div className="rqbd-tools">
        <input
          type="search"
          aria-label="Filter by key"
          placeholder="Filter by key"
          value={text}
          onChange={(event) => {
            setText(event.target.value)
          }}
        />
        <span className="rqbd-quiet">{`${queries.length} of ${all.length}`}</span>
      </div>
      <PickList
        label="Queries"
        items={queries}
        keyOf={keyOf}
        selected={picked && selected}
        select={setSelected}
        row={row}
        version={version}
        empty={all.length > 0 ? 'No key with this text.' : 'The cache is empty.'}
        detail={picked && <QueryDetail query={picked} recorder={recorder} />}
      />
    </>
  )
}

const keyOf = ({ queryHash }: Query): string => queryHash

function QueryRow({ query, view }: { readonly query: Query; readonly view: QueryView }) {
  const { isLive, base, pending } = view
  return (
    <>
      <Badge tone={isLive ? 'good' : 'calm'}>{isLive ? 'live' : 'not live'}</Badge>
      {base === 'frozen' && <Badge tone="warn">frozen</Badge>}
      {query.state.fetchStatus !== 'idle' && <Badge>{query.state.fetchStatus}</Badge>}
      {query.state.isInvalidated && <Badge tone="warn">stale</Badge>}
      <span className="rqbd-title">{textOf(query.queryKey)}</span>
      <span className="rqbd-end">
        {pending.length > 0 && `${pending.length} pending · `}
        {query.isActive() ? 'on screen' : 'not on screen'}
      </span>
    </>
  )
}

function QueryDetail({ query, recorder }: { readonly query: Query; readonly recorder: Recorder }) {
  const { bridge } = recorder
  const { queryKey } = query
  const { topics, base, positions, pending } = viewOf(bridge, query)
  const about = { kind: 'query', name: query.queryHash } as const
  const confirmed = bridge.cache.baseOf(query)
  const { data } = query.state
  const events = recorder.entries.filter((entry) => entry.kind === 'event').slice(0, MAX_EVENTS)
  const at = Object.entries(positions).map(([topic, position]) => `${topic} at ${positionText(position)}`)
  return (
    <>
      <h3>{textOf(queryKey)}</h3>
      <Facts
        of={{
          topics: topicsText(topics, recorder),
          base: BASE_WORDS[base],
          positions: at.join(', '),
          pending: pending.join(', '),
          status: `${query.state.status}, ${query.state.fetchStatus}`,
        }}
      />
      <h4>The last events, and this query</h4>
      {events.length === 0 && <p className="rqbd-quiet">No event was recorded.</p>}
      <ol className="rqbd-others">
        {events.map((entry) => (
          <li key={entry.number}>
            <time>{timeOf(entry.at)}</time> <code>{lineOf(entry).title}</code>
            <Verdict entry={entry} query={query} />
          </li>
        ))}
      </ol>
      {confirmed === data ? (
        <Json label="Data" value={recorder.shown(data, about)} />
      ) : (
        <>
          <Json label="Shown, with pending mutations" value={recorder.shown(data, about)} />
          <Json label="Confirmed (base)" value={recorder.shown(confirmed, about)} />
        </>
      )}
    </>
  )
}

/** What an event has done to a query, or why nothing. */
function Verdict({ entry, query }: { readonly entry: EventEntry & Entry; readonly query: Query }) {
  const { effects } = entry
  const outcomes = outcomesIn(effects)
  const outcome = outcomes.get(query.queryHash)
  if (outcome) {
    const { short, long, tone } = OUTCOME_WORDS[outcome]
    return (
      <p>
        <b data-tone={tone}>{short}</b>. <span className="rqbd-quiet">{long}</span>
      </p>
    )
  }
  if (outcomes.has(query.queryHash)) return <p className="rqbd-quiet">It waits for its frame.</p>
  if (effects.length === 0) return <p className="rqbd-quiet">The table gives no effects for it.</p>
  const whys = effects.map((effect) => whyNot(effect, query) ?? 'It would mean this query now.')
  return (
    <p className="rqbd-quiet">
      <b>not meant</b>. {[...new Set(whys)].join(' ')}
    </p>
  )
}

const BASE_WORDS: Record<QueryView['base'], string> = {
  untracked: 'what is shown: no mutation is over it, and its responses state no position',
  current: 'has every event in it',
  frozen: 'frozen: it has missed something, and waits for a fetch that has it',
}

function topicsText(topics: readonly string[] | undefined, { bridge }: Recorder): string {
  if (topics === undefined) return 'the connection as a whole'
  if (topics.length === 0) return 'none, so nothing tells whether it is current: name them in its meta.topics'
  return topics.map((topic) => `${topic} (${bridge.topicState(topic)})`).join(', ')
}
