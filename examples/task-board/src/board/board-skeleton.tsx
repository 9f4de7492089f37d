import { STATUSES } from '../../shared/model.ts'
import { Bone, Skeleton } from '../ui/states.tsx'
import css from './board-skeleton.module.css'

const CARDS = [4, 3, 2, 3]

export function BoardSkeleton() {
  return (
    <Skeleton label="Loading tasks">
      <div className={css.board}>
        {STATUSES.map((status, i) => (
          <div key={status} className={css.column}>
            <Bone width={90} />
            {Array.from({ length: CARDS[i]! }, (_, card) => (
              <div key={card} className={css.card}>
                <Bone width={44} height={9} />
                <Bone width={card % 2 === 0 ? '92%' : '70%'} />
                <Bone width="40%" height={9} />
              </div>
            ))}
          </div>
        ))}
      </div>
    </Skeleton>
  )
}
