/** All that was recorded of one thing. */
import type { ReactNode } from 'react'
import { Facts, Json } from './parts.tsx'
import type { Entry, RecordedEffect } from './record.ts'
import type { AnyBridge } from './recorder.ts'
import { textOf } from './text.ts'
import { whyNot } from './touched.ts'
import { attemptText, lineOf, OUTCOME_WORDS, positionText, timeOf } from './words.ts'

/** Queries for which it is said why an effect does not mean them. */
const MAX_OTHERS = 12

export function EntryDetail({ entry, bridge }: { readonly entry: Entry; readonly bridge: AnyBridge }) {
  const { badge, title } = lineOf(entry)
  return (
    <>
      <h3>{entry.kind === 'error' ? entry.code : title}</h3>
      <p className="rqbd-quiet">
        {badge} at {timeOf(entry.at)}
      </p>
      {bodyOf(entry, bridge)}
    </>
  )
}

function bodyOf(entry: Entry, bridge: AnyBridge): ReactNode {
  switch (entry.kind) {
    case 'event': {
      const { topic, position, mutationId, isOwn, isReplay, together, effects, data } = entry
      return (
        <>
          <Facts
            of={{
              topic,
              position: position && positionText(position),
              mutation: mutationId && `${mutationId}${isOwn ? ' (of this client)' : ''}`,
              replay: isReplay ? 'It was missed, and has come later.' : undefined,
              written:
                together !== undefined && together > 1
                  ? `together with ${together - 1} other event${together > 2 ? 's' : ''}`
                  : undefined,
            }}
          />
          <Effects effects={effects} bridge={bridge} />
          <Json label="Data" value={data} />
        </>
      )
    }
    case 'write':
      return <Effects effects={entry.effects} bridge={bridge} />
    case 'refused':
      return (
        <>
          <p className="rqbd-bad">{entry.message}</p>
          <Facts
            of={{
              code: entry.code,
              topic: entry.topic,
              position: entry.position && positionText(entry.position),
            }}
          />
          <Json label="Data" value={entry.data} />
          <Json label="Details" value={entry.details} />
        </>
      )
    case 'error':
      return (
        <>
          <p className="rqbd-bad">{entry.message}</p>
          {entry.details !== undefined && <Json label="Details" value={entry.details} />}
          {entry.cause !== undefined && <Json label="Cause" value={entry.cause} />}
        </>
      )
    case 'status': {
      const { status, reason, attempt, retryAt } = entry.status
      return (
        <Facts
          of={{ status, reason, attempt: attemptText(attempt), 'next dial': retryAt && timeOf(retryAt) }}
        />
      )
    }
    case 'user':
      return <p>What was recorded of the last user is gone.</p>
    case 'topic':
      return (
        <Facts
          of={{
            topic: entry.topic ?? 'all that comes over the connection',
            what: entry.what,
            position: entry.position && positionText(entry.position),
          }}
        />
      )
    case 'mutation':
      return (
        <>
          <Facts of={{ mutation: entry.mutationId, status: entry.what }} />
          {entry.error !== undefined && entry.error !== null && <Json label="Error" value={entry.error} />}
          {entry.variables !== undefined && <Json label="Variables" value={entry.variables} />}
        </>
      )
    case 'send':
      return (
        <>
          {entry.ack ? <Json label="Answer" value={entry.ack} /> : <p>It has no answer yet.</p>}
          <Json label="Data" value={entry.data} />
        </>
      )
  }
}

/** What the effects have done to which queries, and why they mean no others. */
function Effects({
  effects,
  bridge,
}: {
  readonly effects: readonly RecordedEffect[]
  readonly bridge: AnyBridge
}) {
  if (effects.length === 0) return <p>The table gives no effects for it.</p>
  const meant = new Set(effects.flatMap(({ queries }) => queries.map(({ queryHash }) => queryHash)))
  const cached = bridge.queryClient.getQueryCache().getAll()
  const others = cached.filter(({ queryHash }) => !meant.has(queryHash))
  return (
    <>
      <h4>Effects</h4>
      {effects.map((effect, index) => (
        <div key={index} className="rqbd-effect">
          <code>{effect.description}</code>
          {effect.queries.length === 0 && <p>It means no query that was in the cache.</p>}
          <ul>
            {effect.queries.slice(0, MAX_OTHERS).map(({ queryHash, queryKey, outcome }) => (
              <li key={queryHash}>
                <code>{textOf(queryKey)}</code>{' '}
                {outcome ? (
                  <>
                    <b data-tone={OUTCOME_WORDS[outcome].tone}>{OUTCOME_WORDS[outcome].short}</b>
                    {'. '}
                    <span className="rqbd-quiet">{OUTCOME_WORDS[outcome].long}</span>
                  </>
                ) : (
                  'waits for its frame'
                )}
              </li>
            ))}
            {effect.queries.length > MAX_OTHERS && (
              <li>{`and ${effect.queries.length - MAX_OTHERS} more`}</li>
            )}
          </ul>
        </div>
      ))}
      {others.length > 0 && (
        <details>
          <summary>Why not the {others.length} others</summary>
          <ul className="rqbd-others">
            {others.slice(0, MAX_OTHERS).map((query) => (
              <li key={query.queryHash}>
                <code>{textOf(query.queryKey)}</code>
                {effects.map((effect, index) => (
                  <p key={index} className="rqbd-quiet">
                    {effects.length > 1 && <code>{effect.kind}: </code>}
                    {whyNot(effect, query) ??
                      'It means this query now; when the event came, it was not there, or not so.'}
                  </p>
                ))}
              </li>
            ))}
            {others.length > MAX_OTHERS && (
              <li>{`${others.length - MAX_OTHERS} more: pick one under Queries.`}</li>
            )}
          </ul>
        </details>
      )}
    </>
  )
}
