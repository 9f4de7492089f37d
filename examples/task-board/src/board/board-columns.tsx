import { useLayoutEffect, useMemo, useRef } from 'react'
import { STATUSES, type Status, type Task } from '../../shared/model.ts'
import { announce } from '../ui/announcer.tsx'
import { STATUS_NAMES } from '../ui/words.ts'
import css from './board-columns.module.css'
import { useBoard } from './board-scope.ts'
import { Column } from './column.tsx'
import { CardFace } from './task-card.tsx'
import { useGlide } from './use-glide.ts'
import { useTaskDrag, type DropPlace } from './use-task-drag.ts'
import { useColumnKeys } from './use-column-keys.ts'

interface BoardColumnsProps {
  /** Stands for the list that is shown: board and filters. */
  readonly listKey: string
  readonly isFiltered: boolean
  readonly isComposing: boolean
  readonly setIsComposing: (is: boolean) => void
  readonly openTaskId: string | null
}

export function BoardColumns({
  listKey,
  isFiltered,
  isComposing,
  setIsComposing,
  openTaskId,
}: BoardColumnsProps) {
  const { tasks, writes } = useBoard()
  const board = useRef<HTMLDivElement>(null)
  const ghost = useRef<HTMLDivElement>(null)
  const columns = useMemo(() => {
    const byStatus: Record<Status, Task[]> = { todo: [], doing: [], review: [], done: [] }
    for (const task of tasks) byStatus[task.status].push(task)
    return byStatus
  }, [tasks])

  const glideFrom = useGlide(board, listKey)

  function drop(task: Task, { status, afterId }: DropPlace, from?: DOMRect) {
    const column = columns[status]
    const index = column.findIndex((other) => other.id === task.id)
    if (from !== undefined) glideFrom(task.id, from)
    // Put down where it was.
    if (index !== -1 && (column[index - 1]?.id ?? null) === afterId) return
    writes.move(task, { status, afterId }, column)
    const place =
      afterId === null ? 'on top of' : `below “${column.find((other) => other.id === afterId)?.title}” in`
    announce(`${task.key} is now ${place} ${STATUS_NAMES[status]}`)
  }

  const { drag, setDrag, pressTask, ghostStyle } = useTaskDrag({ board, ghost, drop })
  const onCardKeyDown = useColumnKeys({ board, columns, drag, setDrag, drop })

  // A card that is moved to another column is another element: the focus goes with the task.
  const focusedId = useRef<string | null>(null)
  useLayoutEffect(() => {
    if (focusedId.current === null || document.activeElement !== document.body) return
    board.current
      ?.querySelector<HTMLElement>(`[data-task-id="${focusedId.current}"] [data-card-link]`)
      ?.focus({ preventScroll: true })
  })

  return (
    <div
      ref={board}
      className={css.board}
      data-dragging={drag?.by}
      onFocus={(event) => {
        focusedId.current = event.target.closest<HTMLElement>('[data-task-id]')?.dataset['taskId'] ?? null
      }}
      onPointerDownCapture={(event) => {
        if ((event.target as HTMLElement).closest('[data-task-id]') === null) focusedId.current = null
      }}
    >
      <p id="card-keys" className="visually-hidden">
        Arrow keys go from task to task. Space picks a task up, arrow keys carry it, Space puts it down. E
        renames.
      </p>
      {STATUSES.map((status) => (
        <Column
          key={status}
          status={status}
          tasks={columns[status]}
          drag={drag}
          pressTask={pressTask}
          onCardKeyDown={onCardKeyDown}
          isFiltered={isFiltered}
          openTaskId={openTaskId}
          isComposing={isComposing && status === 'todo'}
          setIsComposing={setIsComposing}
        />
      ))}
      {drag?.by === 'pointer' && (
        <div ref={ghost} className={css.ghost} style={ghostStyle()} aria-hidden="true">
          <CardFace task={drag.task} />
        </div>
      )}
    </div>
  )
}
