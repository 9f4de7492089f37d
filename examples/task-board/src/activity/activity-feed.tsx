import { useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useRef } from 'react'
import { activityQuery } from '../queries.ts'
import { Button } from '../ui/controls.tsx'
import { ActivityIcon } from '../ui/icons.tsx'
import { Bone, Failure, Notice, Skeleton } from '../ui/states.tsx'
import css from './activity-feed.module.css'
import { ActivityLine } from './activity-line.tsx'

interface ActivityFeedProps {
  readonly boardId: string
  /** Only what happened to this task. */
  readonly taskId?: string
}

/** What happened, newest first; older pages come as one scrolls down. */
export function ActivityFeed({ boardId, taskId }: ActivityFeedProps) {
  const feed = useInfiniteQuery(activityQuery(boardId, taskId === undefined ? {} : { taskId }))
  const sentinel = useRef<HTMLDivElement>(null)
  const loadMore = useEffectEvent(() => {
    if (feed.hasNextPage && !feed.isFetchingNextPage && !feed.isFetchNextPageError) void feed.fetchNextPage()
  })
  const isThere = feed.data !== undefined

  useEffect(() => {
    if (sentinel.current === null) return
    const observer = new IntersectionObserver(([entry]) => entry!.isIntersecting && loadMore(), {
      rootMargin: '200px',
    })
    observer.observe(sentinel.current)
    return () => observer.disconnect()
  }, [isThere, feed.data?.pages.length])

  if (feed.data === undefined) {
    if (feed.isError) {
      return (
        <Failure
          error={feed.error}
          retry={() => void feed.refetch()}
          isRetrying={feed.isFetching}
          isCompact
        />
      )
    }
    return (
      <Skeleton label="Loading activity">
        <div className={css.bones}>
          {[70, 55, 80, 62, 74].map((width) => (
            <Bone key={width} width={`${width}%`} height={14} />
          ))}
        </div>
      </Skeleton>
    )
  }

  const entries = feed.data.pages.flatMap((page) => page.items)
  if (entries.length === 0) {
    return (
      <Notice icon={<ActivityIcon size={22} />} title="Quiet so far" isCompact>
        What happens here is written down here.
      </Notice>
    )
  }
  return (
    <div className={css.feed}>
      <ol className={css.entries} aria-label="Activity" aria-busy={feed.isFetchingNextPage}>
        {entries.map((entry) => (
          <ActivityLine key={entry.id} entry={entry} namesTask={taskId === undefined} />
        ))}
      </ol>
      <div ref={sentinel} className={css.end}>
        {feed.hasNextPage ? (
          <Button onClick={() => void feed.fetchNextPage()} disabled={feed.isFetchingNextPage}>
            {feed.isFetchNextPageError
              ? 'Could not load more. Try again'
              : feed.isFetchingNextPage
                ? 'Loading…'
                : 'Older'}
          </Button>
        ) : (
          taskId === undefined && <span className={css.bottom}>That is how it began.</span>
        )}
      </div>
    </div>
  )
}
