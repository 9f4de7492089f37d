import { ActivityFeed } from './activity-feed.tsx'
import css from './activity-view.module.css'

export function ActivityView({ boardId }: { boardId: string }) {
  return (
    <div className={css.view}>
      <div className={css.column}>
        <ActivityFeed boardId={boardId} />
      </div>
    </div>
  )
}
