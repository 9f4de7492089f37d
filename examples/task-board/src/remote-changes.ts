/** What somebody else has just done, for a moment: rows are lit up by it, and it is said aloud. */
import { useRealtimeBridge, useRealtimeEvent } from 'realtime-query-bridge/react'
import { useCallback, useSyncExternalStore } from 'react'
import type { TaskChange, User } from '../shared/model.ts'
import { Store } from './store.ts'
import { announceFromOthers } from './ui/announcer.tsx'
import { PRIORITY_NAMES, STATUS_NAMES } from './ui/words.ts'
import type { Priority, Status } from '../shared/model.ts'

export interface RemoteChange {
  /** Another one for the same task starts the light anew. */
  readonly id: number
  readonly actorId: string
}

const SHOWN_MS = 3_200

const changes = new Store<ReadonlyMap<string, RemoteChange>>(new Map())
let lastId = 0

function show(taskId: string, actorId: string): void {
  const id = ++lastId
  changes.set((all) => new Map(all).set(taskId, { id, actorId }))
  setTimeout(() => {
    if (changes.get().get(taskId)?.id !== id) return
    changes.set((all) => new Map([...all].filter(([key]) => key !== taskId)))
  }, SHOWN_MS)
}

/** What somebody else has just done to a task. */
export function useRemoteChange(taskId: string): RemoteChange | undefined {
  return useSyncExternalStore(
    changes.subscribe,
    useCallback(() => changes.get().get(taskId), [taskId]),
  )
}

/** Lights up and says aloud what others do, and not the echoes of what was done in this window. */
export function useShowRemoteChanges(personById: ReadonlyMap<string, User>): void {
  const bridge = useRealtimeBridge()
  const onChange =
    (verb: (change: TaskChange) => string) =>
    (change: TaskChange, event: { mutationId?: string | undefined }) => {
      if (bridge.isOwn(event)) return
      show(change.task.id, change.actorId)
      const who = personById.get(change.actorId)?.name.split(' ')[0] ?? 'Somebody'
      announceFromOthers(`${who} ${verb(change)} ${change.task.key}, ${change.task.title}`)
    }
  useRealtimeEvent(
    'task.created',
    onChange(({ activity }) => (activity[0]?.kind === 'restored' ? 'brought back' : 'added')),
  )
  useRealtimeEvent('task.updated', onChange(verbOf))
  useRealtimeEvent(
    'task.deleted',
    onChange(() => 'deleted'),
  )
}

function verbOf({ activity }: TaskChange): string {
  const [first] = activity
  switch (first?.kind) {
    case undefined:
      return 'reordered'
    case 'moved':
      return `moved to ${STATUS_NAMES[first.to as Status]}:`
    case 'prioritized':
      return `set the priority ${PRIORITY_NAMES[first.to as Priority]} for`
    case 'commented':
      return 'commented on'
    case 'renamed':
      return 'renamed'
    case 'assigned':
      return 'assigned'
    default:
      return 'changed'
  }
}
