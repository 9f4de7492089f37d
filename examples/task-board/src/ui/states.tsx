/** What is shown where data is not there yet, not there at all, or not to be had. */
import type { ReactNode } from 'react'
import { AlertIcon, RetryIcon } from './icons.tsx'
import { Button } from './controls.tsx'
import css from './states.module.css'

interface NoticeProps {
  readonly icon?: ReactNode
  readonly title: string
  readonly children?: ReactNode
  readonly action?: ReactNode
  readonly isCompact?: boolean
}

export function Notice({ icon, title, children, action, isCompact = false }: NoticeProps) {
  return (
    <div className={css.notice} data-compact={isCompact || undefined}>
      {icon !== undefined && <div className={css.icon}>{icon}</div>}
      <h2 className={css.title}>{title}</h2>
      {children !== undefined && <div className={css.text}>{children}</div>}
      {action}
    </div>
  )
}

interface FailureProps {
  readonly error: Error
  readonly retry: () => void
  readonly isRetrying: boolean
  readonly isCompact?: boolean
}

export function Failure({ error, retry, isRetrying, isCompact = false }: FailureProps) {
  return (
    <div role="alert">
      <Notice
        icon={<AlertIcon size={22} />}
        title="This could not be loaded"
        isCompact={isCompact}
        action={
          <Button look="outline" onClick={retry} disabled={isRetrying}>
            <RetryIcon size={14} /> {isRetrying ? 'Trying…' : 'Try again'}
          </Button>
        }
      >
        {error.message}
      </Notice>
    </div>
  )
}

/** Grey shapes where something is about to be. `label` is what a screen reader says meanwhile. */
export function Skeleton({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div role="status" aria-label={label} className={css.skeleton}>
      {children}
    </div>
  )
}

export function Bone({ width, height = 12 }: { width: number | string; height?: number }) {
  return <span className={css.bone} style={{ width, height }} />
}
