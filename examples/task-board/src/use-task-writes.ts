import { useMutation, useMutationState, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Status, Task, TaskChange, TaskFilters, TaskMove, TaskPatch } from '../shared/model.ts'
import { rankBetween } from '../shared/rank.ts'
import { keys } from './queries.ts'
import { placeTask, sendTaskWrite, type TaskWrite } from './task-writes.ts'
import { showToast } from './ui/toasts.tsx'

const writesOf = (boardId: string) => ['board', boardId, 'write'] as const

/**
 * The writes of a board that are under way, oldest first. What the screen shows is the data with these in it,
 * so nothing snaps back between a click and its answer.
 */
export function usePendingWrites(boardId: string): TaskWrite[] {
  return useMutationState({
    filters: { mutationKey: writesOf(boardId), status: 'pending' },
    select: (mutation) => mutation.state.variables as TaskWrite,
  })
}

/** Everything that can be done to the tasks of a board. */
export function useTaskWrites(boardId: string) {
  const queryClient = useQueryClient()
  const { mutate } = useMutation({
    mutationKey: writesOf(boardId),
    // One after the other: a task is there before it is moved, and two moves keep their order.
    scope: { id: boardId },
    mutationFn: sendTaskWrite,
    onSuccess: (change, write) => keepAnswer(queryClient, change, write),
    onError: (error, write) => {
      showToast({
        tone: 'error',
        text: `${failureText(write)} ${error.message}`,
        action: { label: 'Try again', run: () => mutate(write) },
      })
    },
    onSettled: () => {
      void queryClient.invalidateQueries({ queryKey: keys.board(boardId) })
      void queryClient.invalidateQueries({ queryKey: keys.boards })
    },
  })

  return useMemo(() => {
    const head = () => ({ mutationId: crypto.randomUUID(), at: new Date().toISOString() })
    const restore = (task: Task) => mutate({ ...head(), kind: 'restore', task })
    return {
      /** Adds a task below the others of its column. `column` is what is in it now. */
      create(
        draft: Pick<Task, 'title' | 'status'> & Partial<Pick<Task, 'priority' | 'assigneeId'>>,
        column: readonly Task[],
      ) {
        const { mutationId, at } = head()
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
        mutate({ mutationId, at, kind: 'create', task })
        return task.id
      },
      patch: (task: Task, patch: TaskPatch) => mutate({ ...head(), kind: 'patch', task, patch }),
      /** Puts a task below `afterId` (null: on top) of a column. `column` is what is in it now. */
      move(task: Task, move: TaskMove, column: readonly Task[]) {
        const others = column.filter((row) => row.id !== task.id)
        const index = others.findIndex((row) => row.id === move.afterId)
        const rank = rankBetween(others[index]?.rank ?? null, others[index + 1]?.rank ?? null)
        mutate({ ...head(), kind: 'move', task, move, rank })
      },
      /** Puts a task at the end of a column. */
      moveToColumn(task: Task, status: Status, column: readonly Task[]) {
        const last = column.filter((row) => row.id !== task.id).at(-1)
        this.move(task, { status, afterId: last?.id ?? null }, column)
      },
      remove(task: Task) {
        mutate({ ...head(), kind: 'delete', task })
        showToast({
          tone: 'neutral',
          text: `Deleted ${task.key === '' ? `“${task.title}”` : task.key}.`,
          action: { label: 'Undo', run: () => restore(task) },
        })
      },
      comment: (task: Task, body: string) => mutate({ ...head(), kind: 'comment', task, body }),
    }
  }, [boardId, mutate])
}

/** Puts what the server answered where it is shown, in the same moment in which the write stops being pending. */
function keepAnswer(queryClient: QueryClient, { task }: TaskChange, write: TaskWrite): void {
  const lists = queryClient.getQueriesData<Task[]>({ queryKey: keys.taskLists(task.boardId) })
  for (const [queryKey, rows] of lists) {
    if (rows === undefined) continue
    const next =
      write.kind === 'delete'
        ? rows.filter((row) => row.id !== task.id)
        : placeTask(rows, task, queryKey[3] as TaskFilters)
    if (next !== rows) queryClient.setQueryData(queryKey, next)
  }
  queryClient.setQueryData<Task>(keys.task(task.boardId, task.id), (known) =>
    known === undefined || known.version >= task.version ? known : task,
  )
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
