import type { TopicState } from '../core/session/session.ts'
import { positionIn } from './bridge-view.ts'
import { Badge } from './parts.tsx'
import type { AnyBridge, Recorder } from './recorder.ts'
import { positionText, shortPosition, type Tone } from './words.ts'

const TONES: Record<TopicState, Tone> = { live: 'good', resyncing: 'warn', refused: 'bad', unknown: 'calm' }

/** Rows at most. */
const MAX_ROWS = 200

/** The topics that are wanted now. */
export function TopicsTab({ recorder }: { readonly recorder: Recorder }) {
  const { bridge } = recorder
  const topics = [...bridge.interest.wanted()]
  if (topics.length === 0) return <div className="rqbd-empty">{textWithout(bridge)}</div>
  const queries = bridge.queryClient
    .getQueryCache()
    .getAll()
    .filter((query) => query.isActive())
  return (
    <div className="rqbd-scroll" tabIndex={0} role="region" aria-label="Topics">
      <table>
        <thead>
          <tr>
            <th scope="col">Topic</th>
            <th scope="col">State</th>
            <th scope="col">Position</th>
            <th scope="col">Queries on screen</th>
            <th scope="col">Events</th>
            <th scope="col">Gaps</th>
            <th scope="col">Replays</th>
            <th scope="col">Resets</th>
          </tr>
        </thead>
        <tbody>
          {topics.slice(0, MAX_ROWS).map((topic) => {
            const state = bridge.topicState(topic)
            const position = positionIn(bridge, topic)
            const { events, gaps, replays, resets } = recorder.topicCounts(topic)
            const users = queries.filter((query) => bridge.interest.keepsLive(query, topic))
            return (
              <tr key={topic}>
                <th scope="row">{topic}</th>
                <td>
                  <Badge tone={TONES[state]}>{state}</Badge>
                </td>
                <td>
                  {position ? (
                    <code title={positionText(position)}>{shortPosition(position)}</code>
                  ) : (
                    'not known'
                  )}
                </td>
                <td>{users.length}</td>
                <td>{events}</td>
                <td data-tone={gaps > 0 ? 'warn' : undefined}>{gaps}</td>
                <td>{replays}</td>
                <td data-tone={resets > 0 ? 'warn' : undefined}>{resets}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
      {topics.length > MAX_ROWS && <p className="rqbd-quiet">{`and ${topics.length - MAX_ROWS} more`}</p>}
      <p className="rqbd-quiet">Counted since the recording began, or was cleared.</p>
    </div>
  )
}

function textWithout({ interest, queryClient }: AnyBridge): string {
  const queries = queryClient.getQueryCache().getAll()
  return queries.some((query) => interest.topicsOf(query) === undefined)
    ? 'This backend has no topics: every query follows the connection as a whole.'
    : 'No topic is wanted. Name them in `meta.topics` of a query on screen, or in `topics` of the bridge.'
}
