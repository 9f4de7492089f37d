import { useRemoteChange } from '../remote-changes.ts'
import { useBoard } from './board-scope.ts'
import css from './remote-light.module.css'

/** Lights up the row it stands in when somebody else has changed it, in that person's colour. */
export function RemoteLight({ taskId }: { taskId: string }) {
  const change = useRemoteChange(taskId)
  const { personById } = useBoard()
  if (change === undefined) return null
  const actor = personById.get(change.actorId)
  return (
    <span
      key={change.id}
      className={css.light}
      style={{ '--actor': actor?.color ?? 'var(--accent)' }}
      data-testid="remote-light"
      aria-hidden="true"
    >
      <span className={css.name}>{actor?.name.split(' ')[0]}</span>
    </span>
  )
}
