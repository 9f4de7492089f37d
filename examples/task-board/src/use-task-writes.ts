import { useMutation } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Status, Task, TaskChange, TaskMove, TaskPatch } from '../shared/model.ts'
import { rankBetween } from '../shared/rank.ts'
import { keys } from './query-keys.ts'
import type { TaskWrite } from './task-writes.ts'
import { showToast } from './ui/toasts.tsx'

/** Everything that can be done to the tasks of a board. */
export function useTaskWrites(boardId: string) {
  // Everything else about it is in `task-mutation.ts`, where a reload finds it as well.
  const { mutate } = useMutation<TaskChange, Error, TaskWrite>({
    mutationKey: keys.writesOf(boardId),
    // One after the other: a task is there before it is moved, and two moves keep their order.
    scope: { id: boardId },
  })

  return useMemo(() => {
    const now = () => new Date().toISOString()
    const restore = (task: Task) => mutate({ at: now(), kind: 'restore', task })
    return {
      /** Adds a task below the others of its column. `column` is what is in it now. */
      create(
        draft: Pick<Task, 'title' | 'status'> & Partial<Pick<Task, 'priority' | 'assigneeId'>>,
        column: readonly Task[],
      ) {
        const at = now()
        const task: Task = {
          id: crypto.randomUUID(),
          boardId,
          key: '',
          description: '',
          priority: 'none',
          labels: [],
          assigneeId: null,
          dueOn: null,
          ...draft,
          rank: rankBetween(column.at(-1)?.rank ?? null, null),
          commentCount: 0,
          version: 0,
          createdAt: at,
          updatedAt: at,
        }
        mutate({ at, kind: 'create', task })
        return task.id
      },
      patch: (task: Task, patch: TaskPatch) => mutate({ at: now(), kind: 'patch', task, patch }),
      /** Puts a task below `afterId` (null: on top) of a column. `column` is what is in it now. */
      move(task: Task, move: TaskMove, column: readonly Task[]) {
        const others = column.filter((row) => row.id !== task.id)
        const index = others.findIndex((row) => row.id === move.afterId)
        const rank = rankBetween(others[index]?.rank ?? null, others[index + 1]?.rank ?? null)
        mutate({ at: now(), kind: 'move', task, move, rank })
      },
      /** Puts a task at the end of a column. */
      moveToColumn(task: Task, status: Status, column: readonly Task[]) {
        const last = column.filter((row) => row.id !== task.id).at(-1)
        this.move(task, { status, afterId: last?.id ?? null }, column)
      },
      remove(task: Task) {
        mutate({ at: now(), kind: 'delete', task })
        showToast({
          tone: 'neutral',
          text: `Deleted ${task.key === '' ? `“${task.title}”` : task.key}.`,
          action: { label: 'Undo', run: () => restore(task) },
        })
      },
      comment: (task: Task, body: string) => mutate({ at: now(), kind: 'comment', task, body }),
    }
  }, [boardId, mutate])
}
