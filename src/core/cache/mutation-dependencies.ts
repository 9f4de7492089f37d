/** A mutation that mentions what another one creates is sent after it, with the real id. */
import { RealtimeError } from '../errors.ts'
import { mentions, type TemporaryIds } from '../overlay/temporary-ids.ts'
import type { RunningMutation } from './pending-mutation.ts'

/** What can be mentioned. */
export interface Mentionable {
  readonly byId: ReadonlyMap<string, RunningMutation>
  readonly ids: TemporaryIds
}

/** The mutations that make what this one mentions. */
export function dependenciesOf(running: RunningMutation, { byId, ids }: Mentionable): RunningMutation[] {
  const found: RunningMutation[] = []
  mentions(running.variables, (text) => {
    const other = byId.get(text) ?? byId.get(String(ids.realOf(text)))
    if (other && other !== running) found.push(other)
    return false
  })
  return found
}

/**
 * Resolves when this mutation can be sent.
 *
 * @throws RealtimeError `dependency-failed`: what it depends on was not carried out
 */
export async function waitForDependencies(
  running: RunningMutation,
  { onChange, ...known }: Mentionable & { readonly onChange: () => void },
): Promise<void> {
  for (const other of dependenciesOf(running, known)) {
    if (other.fate === 'done') continue
    // Tried again it stands behind this one in their scope, and each would wait for the other.
    const isBehind =
      other.fate === 'open' && scopeOf(other) !== undefined && scopeOf(other) === scopeOf(running)
    running.isWaiting = other.fate === 'open' && !isBehind
    onChange()
    if (!isBehind) await other.settled.promise
    running.isWaiting = false
    const isNamed = known.ids.realOf(other.mutationId) !== other.mutationId
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
