import type { PendingMutation } from '../core/cache/mutations/pending-mutation.ts'
import { Badge, Facts, Json } from './parts.tsx'
import type { Recorder } from './recorder.ts'
import { textOf } from './text.ts'
import { MUTATION_TONES, timeOf } from './words.ts'

/** Those at most, the newest. */
const MAX_ROWS = 50

/** The mutations that are not confirmed, newest first. */
export function MutationsTab({ recorder }: { readonly recorder: Recorder }) {
  const all = recorder.bridge.pendingMutations()
  if (all.length === 0)
    return <div className="rqbd-empty">No mutation is pending. Those of the past are under Events.</div>
  const queriesOf = queriesByMutation(recorder)
  return (
    <div className="rqbd-scroll">
      <ul className="rqbd-cards" aria-label="Pending mutations">
        {all
          .slice(-MAX_ROWS)
          .reverse()
          .map((mutation) => (
            <li key={mutation.mutationId}>
              <Card
                mutation={mutation}
                recorder={recorder}
                queries={queriesOf.get(mutation.mutationId) ?? []}
              />
            </li>
          ))}
      </ul>
      {all.length > MAX_ROWS && <p className="rqbd-quiet">{`and ${all.length - MAX_ROWS} older ones`}</p>}
    </div>
  )
}

interface CardProps {
  readonly mutation: PendingMutation
  readonly recorder: Recorder
  readonly queries: readonly string[]
}

function Card({ mutation, recorder, queries }: CardProps) {
  const { mutationId, status, variables, error, mutationKey, submittedAt, itemIds } = mutation
  const canRetry = status === 'failed' || status === 'unknown'
  return (
    <>
      <header>
        <Badge tone={MUTATION_TONES[status]}>{status}</Badge>
        <code>{mutationKey ? textOf(mutationKey) : mutationId}</code>
        <span className="rqbd-spacer" />
        {canRetry && (
          <button
            type="button"
            onClick={() => {
              mutation.retry()
            }}
          >
            Retry
          </button>
        )}
        <button
          type="button"
          onClick={() => {
            mutation.discard()
          }}
        >
          Discard
        </button>
      </header>
      <Facts
        of={{
          id: mutationId,
          since: timeOf(submittedAt),
          rows: itemIds.map((id) => textOf(id)).join(', '),
          'shown over': queries.join(', ') || 'no query',
          error: error ? textOf(recorder.shown(error, { kind: 'error' })) : undefined,
        }}
      />
      <Json label="Variables" value={recorder.shown(variables, { kind: 'mutation' })} />
    </>
  )
}

/** The keys of the queries that each is shown over. */
function queriesByMutation({ bridge }: Recorder): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const { overlay } = bridge.cache
  for (const query of overlay.entries.keys()) {
    for (const mutationId of overlay.inspect(query).pending) {
      found.set(mutationId, [...(found.get(mutationId) ?? []), textOf(query.queryKey)])
    }
  }
  return found
}
