/** What of a board's tasks is not saved, so that each row can say so. */
import type { PendingMutation } from 'realtime-query-bridge'
import { usePendingMutations } from 'realtime-query-bridge/react'
import { useMemo } from 'react'
import type { Task } from '../shared/model.ts'
import { keys } from './query-keys.ts'
import type { TaskWrite } from './task-writes.ts'

export interface TaskSync {
  /** `queued`: waits for the network. `failed`: the server has refused it. */
  readonly status: 'saving' | 'queued' | 'failed'
  /** What was refused, in words. */
  readonly text: string
  /** Sends what was refused again. */
  readonly retry: () => void
  /** Gives it up. */
  readonly discard: () => void
}

export interface BoardSync {
  readonly byTaskId: ReadonlyMap<string, TaskSync>
  /** Tasks that could not be added: nothing of them is on the board. */
  readonly notAdded: readonly { readonly task: Task; readonly sync: TaskSync }[]
}

export function useBoardSync(boardId: string): BoardSync {
  const pending = usePendingMutations(keys.board(boardId))
  return useMemo(() => {
    const writesOf = new Map<string, PendingMutation[]>()
    for (const mutation of pending) {
      const { id } = (mutation.variables as TaskWrite).task
      writesOf.set(id, [...(writesOf.get(id) ?? []), mutation])
    }
    const byTaskId = new Map([...writesOf].map(([id, writes]) => [id, syncOf(writes)]))
    const notAdded = [...writesOf.values()].flatMap((writes) => {
      const { kind, task } = writes[0]!.variables as TaskWrite
      const isMissing = writes[0]!.status === 'failed' && (kind === 'create' || kind === 'restore')
      return isMissing ? [{ task, sync: byTaskId.get(task.id)! }] : []
    })
    return { byTaskId, notAdded }
  }, [pending])
}

function syncOf(writes: readonly PendingMutation[]): TaskSync {
  const failed = writes.filter(({ status }) => status === 'failed')
  const isQueued = writes.some(({ status }) => status === 'queued')
  return {
    status: failed.length > 0 ? 'failed' : isQueued ? 'queued' : 'saving',
    text: failed[0] === undefined ? '' : failureOf(failed[0].variables as TaskWrite),
    retry: () => failed.forEach((mutation) => mutation.retry()),
    discard: () => failed.forEach((mutation) => mutation.discard()),
  }
}

function failureOf({ kind }: TaskWrite): string {
  switch (kind) {
    case 'create':
      return 'Not added'
    case 'patch':
      return 'Not changed'
    case 'move':
      return 'Not moved'
    case 'delete':
      return 'Not deleted'
    case 'restore':
      return 'Not brought back'
    case 'comment':
      return 'Comment not sent'
  }
}
