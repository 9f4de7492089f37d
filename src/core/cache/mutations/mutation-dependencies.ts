/** A mutation that mentions what another one creates is sent after it, with the real id. */
import { RealtimeError } from '../../errors.ts'
import { mentions, type TemporaryIds } from '../../overlay/temporary-ids.ts'
import type { RunningMutation } from './pending-mutation.ts'

/** The mutationIds that this mutation mentions, of those that are known: they make what it is about. */
export function mentionedBy(
  { mutationId, variables }: RunningMutation,
  ids: TemporaryIds,
  isKnown: (mutationId: string) => boolean,
): string[] {
  const found = new Set<string>()
  mentions(variables, (text) => {
    for (const id of [text, String(ids.realOf(text))]) if (id !== mutationId && isKnown(id)) found.add(id)
    return false
  })
  return [...found]
}

/**
 * Resolves when this mutation can be sent.
 *
 * @throws RealtimeError `dependency-failed`: what it depends on was not carried out
 */
export async function waitForDependencies(
  running: RunningMutation,
  {
    byId,
    ids,
    onChange,
  }: {
    readonly byId: ReadonlyMap<string, RunningMutation>
    readonly ids: TemporaryIds
    readonly onChange: () => void
  },
): Promise<void> {
  for (const id of mentionedBy(running, ids, (id) => byId.has(id))) {
    const other = byId.get(id)
    if (other === undefined || other.fate === 'done') continue
    // Tried again it stands behind this one in their scope, and each would wait for the other.
    const isBehind =
      other.fate === 'open' && scopeOf(other) !== undefined && scopeOf(other) === scopeOf(running)
    running.isWaiting = other.fate === 'open' && !isBehind
    onChange()
    if (!isBehind) await other.settled.promise
    running.isWaiting = false
    const isNamed = ids.realOf(other.mutationId) !== other.mutationId
    if (isNamed || (!isBehind && other.fate !== 'failed' && other.fate !== 'unknown')) continue
    const message =
      'A mutation that this one depends on was refused, or its outcome is not known, so this one was not sent. ' +
      'Retry that one first.'
    throw new RealtimeError('dependency-failed', message, {
      cause: other.error,
      details: { mutationId: other.mutationId },
    })
  }
}

const scopeOf = ({ mutation }: RunningMutation): string | undefined => mutation?.options.scope?.id
