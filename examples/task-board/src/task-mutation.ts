/**
 * The one mutation of the board. Its options stand under its key, so that what a reload finds stored can be shown and
 * sent again.
 */
import { realtimeMutationOptions } from 'realtime-query-bridge/react'
import { queryClient } from './query-client.ts'
import { keys } from './query-keys.ts'
import { bridge, events } from './realtime.ts'
import { eventOf, optimisticEffects, sendTaskWrite, type TaskWrite } from './task-writes.ts'
import { showToast } from './ui/toasts.tsx'

queryClient.setMutationDefaults(
  keys.writes,
  realtimeMutationOptions(bridge, {
    mutationFn: sendTaskWrite,
    optimistic: (write: TaskWrite) => optimisticEffects(write),
    confirm: (change, write) => events.predict(eventOf(write), change),
    onError: (error: Error, write, result) => {
      showToast({
        tone: 'error',
        text: `${failureText(write)} ${error.message}`,
        action: { label: 'Try again', run: () => tryAgain(result?.mutationId) },
      })
    },
  }),
)

function tryAgain(mutationId: string | undefined): void {
  for (const mutation of bridge.pendingMutations()) {
    if (mutation.mutationId === mutationId) mutation.retry()
  }
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
