import type { Task } from '../../shared/model.ts'
import type { TaskSync } from '../task-sync.ts'
import { AlertIcon } from '../ui/icons.tsx'
import css from './sync-mark.module.css'

/** A task that is being saved, or waits for it. */
export function SyncMark({ sync }: { sync: TaskSync | undefined }) {
  if (sync === undefined || sync.status === 'failed') return null
  return sync.status === 'saving' ? (
    <span className={css.saving} role="img" aria-label="Being saved" />
  ) : (
    <span className={css.queued}>Waiting to be saved</span>
  )
}

interface FailedWriteProps {
  readonly sync: TaskSync | undefined
  /** What it is about, for those who do not see where it stands. */
  readonly name: string
}

/** What the server has refused, and what can be done about it. */
export function FailedWrite({ sync, name }: FailedWriteProps) {
  if (sync?.status !== 'failed') return null
  return (
    <div className={css.failed} data-no-drag>
      <AlertIcon size={14} />
      <span className={css.text}>{sync.text}</span>
      <button className={css.action} aria-label={`Retry: ${name}`} onClick={sync.retry}>
        Retry
      </button>
      <button className={css.action} aria-label={`Discard: ${name}`} onClick={sync.discard}>
        Discard
      </button>
    </div>
  )
}

/** A task that the server did not take: what was written is not lost. */
export function NotAdded({ task, sync }: { task: Task; sync: TaskSync }) {
  return (
    <div className={css.notAdded} data-not-added>
      <span className={css.title}>{task.title}</span>
      <FailedWrite sync={sync} name={task.title} />
    </div>
  )
}
