import { useEffect, useState } from 'react'
import { Badge } from './parts.tsx'
import type { Recorder } from './recorder.ts'
import { attemptText, lineOf } from './words.ts'

/** The connection, and what there was of everything. */
export function StatusLine({ recorder }: { readonly recorder: Recorder }) {
  const { bridge } = recorder
  const { status, reason, attempt, retryAt, queued } = bridge.status
  const { events, errors } = bridge.counts
  const failures = Object.values(errors).reduce((sum, count) => sum + count, 0)
  const { tone } = lineOf({ kind: 'status', status: bridge.status, number: 0, at: 0 })
  return (
    <header className="rqbd-status">
      <span role="status">
        <Badge tone={tone}>{status}</Badge>
      </span>
      {reason && <span>{reason}</span>}
      {attempt > 0 && <span>{attemptText(attempt)}</span>}
      {retryAt !== undefined && <RetryTime recorder={recorder} at={retryAt} />}
      <span className="rqbd-spacer" />
      {queued > 0 && <span>{`${many(queued, 'send')} waiting`}</span>}
      <span>{many(events, 'event')}</span>
      <span data-tone={failures > 0 ? 'bad' : undefined}>{many(failures, 'error')}</span>
    </header>
  )
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

/** How long until the next dial. */
function RetryTime({ recorder, at }: { readonly recorder: Recorder; readonly at: number }) {
  const { clock } = recorder.bridge.cache.options
  const [now, setNow] = useState(() => clock.now())
  useEffect(() => {
    const timer = setInterval(() => {
      setNow(clock.now())
    }, 200)
    return () => {
      clearInterval(timer)
    }
  }, [clock])
  return <span>{`dials again in ${Math.max(0, (at - now) / 1000).toFixed(1)} s`}</span>
}
