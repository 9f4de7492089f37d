import { useRealtimeMutation, usePendingMutations } from 'realtime-query-bridge/react'
import { useMemo } from 'react'
import type { Status, Task, TaskMove, TaskPatch } from '../shared/model.ts'
import { rankBetween } from '../shared/rank.ts'
import { keys } from './query-keys.ts'
import { events } from './realtime.ts'
import { eventOf, optimisticEffects, sendTaskWrite, type TaskWrite } from './task-writes.ts'
import { showToast } from './ui/toasts.tsx'

/** The tasks of a board that a write is under way for. */
export function usePendingTaskIds(boardId: string): ReadonlySet<string> {
  const pending = usePendingMutations(keys.board(boardId))
  return useMemo(() => {
    const open = pending.filter(({ status }) => status !== 'failed')
    return new Set(open.map(({ variables }) => (variables as TaskWrite).task.id))
  }, [pending])
}

/** Everything that can be done to the tasks of a board. */
export function useTaskWrites(boardId: string) {
  const { mutate } = useRealtimeMutation({
    mutationKey: keys.writes(boardId),
    // One after the other: a task is there before it is moved, and two moves keep their order.
    scope: { id: boardId },
    mutationFn: sendTaskWrite,
    optimistic: (write: TaskWrite) => optimisticEffects(write),
    confirm: (change, write) => events.predict(eventOf(write), change),
    onError: (error, write) => {
      showToast({
        tone: 'error',
        text: `${failureText(write)} ${error.message}`,
        action: { label: 'Try again', run: () => mutate(write) },
      })
    },
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

function failureText(write: TaskWrite): string {
  switch (write.kind) {
    case 'create':
      return `“${write.task.title}” was not added.`
    case 'patch':
      return `${write.task.key} was not changed.`
    case 'move':
      return `${write.task.key} was not moved.`
    case 'delete':
      return `${write.task.key} was not deleted.`
    case 'restore':
      return `${write.task.key} was not brought back.`
    case 'comment':
      return 'The comment was not sent.'
  }
}
