import { createContext, useContext } from 'react'
import type { Board, Task, User } from '../../shared/model.ts'
import type { BoardSync } from '../task-sync.ts'
import type { useTaskWrites } from '../use-task-writes.ts'

/** What everything on a board's page needs to know of it. */
export interface BoardScope {
  readonly board: Board
  /** Who can be given a task. */
  readonly members: readonly User[]
  readonly personById: ReadonlyMap<string, User>
  readonly writes: ReturnType<typeof useTaskWrites>
  /** The tasks that are shown, in order. */
  readonly tasks: readonly Task[]
  /** What of the tasks is not saved. */
  readonly sync: BoardSync
  readonly hrefOfTask: (taskId: string) => string
}

export const BoardContext = createContext<BoardScope | null>(null)

export function useBoard(): BoardScope {
  const scope = useContext(BoardContext)
  if (scope === null) throw new Error('useBoard belongs inside a BoardPage')
  return scope
}
