import { useCallback, useEffect, useRef, type KeyboardEvent, type RefObject } from 'react'
import { STATUSES, type Status, type Task } from '../../shared/model.ts'
import { announce } from '../ui/announcer.tsx'
import { STATUS_NAMES } from '../ui/words.ts'
import type { DropPlace, TaskDrag } from './use-task-drag.ts'

interface ColumnKeysOptions {
  readonly board: RefObject<HTMLElement | null>
  readonly columns: Record<Status, readonly Task[]>
  readonly drag: TaskDrag | null
  readonly setDrag: (drag: TaskDrag | null) => void
  readonly drop: (task: Task, place: DropPlace) => void
}

/** The keys on a card: arrows go to the next card, or carry the one that is picked up. */
export function useColumnKeys(options: ColumnKeysOptions) {
  const latest = useRef(options)
  useEffect(() => {
    latest.current = options
  })

  return useCallback((event: KeyboardEvent, task: Task) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const { drag, setDrag, drop } = latest.current
    if (drag?.by === 'pointer') return
    if (drag === null) {
      if (event.key === ' ') pickUp(latest.current, task)
      else if (!focusNext(latest.current, task, event.key)) return
    } else {
      if (event.key === ' ' || event.key === 'Enter') {
        setDrag(null)
        drop(drag.task, drag)
      } else if (event.key === 'Escape' || event.key === 'Tab') {
        setDrag(null)
        announce(`Put ${drag.task.key} back`)
      } else if (!carry(latest.current, drag, event.key)) return
    }
    event.preventDefault()
    event.stopPropagation()
  }, [])
}

function pickUp({ columns, setDrag }: ColumnKeysOptions, task: Task): void {
  const column = columns[task.status]
  const index = column.findIndex((other) => other.id === task.id)
  setDrag({ task, by: 'keyboard', status: task.status, afterId: column[index - 1]?.id ?? null })
  announce(`Picked up ${task.key}, ${index + 1} of ${column.length} in ${STATUS_NAMES[task.status]}`)
}

function carry({ columns, setDrag }: ColumnKeysOptions, drag: TaskDrag, key: string): boolean {
  const inColumn = (status: Status) => columns[status].filter((other) => other.id !== drag.task.id)
  const index = inColumn(drag.status).findIndex((other) => other.id === drag.afterId) + 1
  let status = drag.status
  let next = index
  if (key === 'ArrowUp') next = index - 1
  else if (key === 'ArrowDown') next = index + 1
  else if (key === 'ArrowLeft') status = STATUSES[STATUSES.indexOf(status) - 1] ?? status
  else if (key === 'ArrowRight') status = STATUSES[STATUSES.indexOf(status) + 1] ?? status
  else return false
  const column = inColumn(status)
  next = Math.max(0, Math.min(next, column.length))
  setDrag({ ...drag, status, afterId: column[next - 1]?.id ?? null })
  announce(`${STATUS_NAMES[status]}, place ${next + 1} of ${column.length + 1}`)
  return true
}

function focusNext({ board, columns }: ColumnKeysOptions, task: Task, key: string): boolean {
  const index = columns[task.status].findIndex((other) => other.id === task.id)
  let target: Task | undefined
  if (key === 'ArrowUp' || key === 'ArrowDown') {
    target = columns[task.status][key === 'ArrowUp' ? index - 1 : index + 1]
  } else if (key === 'ArrowLeft' || key === 'ArrowRight') {
    const step = key === 'ArrowLeft' ? -1 : 1
    let at = STATUSES.indexOf(task.status) + step
    // Over empty columns.
    const columnAt = (place: number) => (STATUSES[place] === undefined ? undefined : columns[STATUSES[place]])
    while (columnAt(at)?.length === 0) at += step
    const column = columnAt(at) ?? []
    target = column[Math.min(index, column.length - 1)]
  } else return false
  if (target !== undefined) {
    board.current?.querySelector<HTMLElement>(`[data-task-id="${target.id}"] [data-card-link]`)?.focus()
  }
  return true
}
