import { useEffect, useRef, useState, type PointerEvent as ReactPointerEvent, type RefObject } from 'react'
import type { Status, Task } from '../../shared/model.ts'

/** Where a picked-up task would come to stand: below `afterId`, or on top of the column. */
export interface DropPlace {
  readonly status: Status
  readonly afterId: string | null
}

export interface TaskDrag extends DropPlace {
  readonly task: Task
  readonly by: 'pointer' | 'keyboard'
}

interface Press {
  readonly task: Task
  readonly pointerId: number
  readonly x: number
  readonly y: number
  /** From the card's corner to the pointer. */
  readonly grip: { readonly x: number; readonly y: number }
  readonly width: number
  holdTimer: ReturnType<typeof setTimeout> | undefined
}

const START_DISTANCE_PX = 5
/** A finger that rests this long picks up; one that moves before scrolls. */
const HOLD_MS = 280
const EDGE_PX = 56
const EDGE_SPEED_PX = 14

interface TaskDragOptions {
  readonly board: RefObject<HTMLElement | null>
  /** The element that follows the pointer. */
  readonly ghost: RefObject<HTMLElement | null>
  readonly drop: (task: Task, place: DropPlace, from: DOMRect | undefined) => void
}

/** Picking tasks up and putting them down, with a mouse, a pen or a finger. The keyboard sets `drag` itself. */
export function useTaskDrag({ board, ghost, drop }: TaskDragOptions) {
  const [drag, setDrag] = useState<TaskDrag | null>(null)
  const press = useRef<Press | null>(null)
  const pointer = useRef({ x: 0, y: 0 })
  const dragRef = useRef(drag)
  const dropRef = useRef(drop)
  useEffect(() => {
    dragRef.current = drag
    dropRef.current = drop
  })

  function pressTask(event: ReactPointerEvent<HTMLElement>, task: Task) {
    if (event.button !== 0 || drag !== null) return
    if ((event.target as HTMLElement).closest('[data-no-drag]') !== null) return
    const rect = event.currentTarget.getBoundingClientRect()
    pointer.current = { x: event.clientX, y: event.clientY }
    press.current = {
      task,
      pointerId: event.pointerId,
      x: event.clientX,
      y: event.clientY,
      grip: { x: event.clientX - rect.left, y: event.clientY - rect.top },
      width: rect.width,
      holdTimer: event.pointerType === 'touch' ? setTimeout(() => start(), HOLD_MS) : undefined,
    }
  }

  function start() {
    const current = press.current
    if (current === null || board.current === null) return
    getSelection()?.removeAllRanges()
    setDrag({
      task: current.task,
      by: 'pointer',
      ...placeAt(board.current, pointer.current, current.task.id),
    })
  }

  useEffect(() => {
    const release = () => {
      clearTimeout(press.current?.holdTimer)
      press.current = null
    }

    const onMove = (event: PointerEvent) => {
      const current = press.current
      if (current === null || event.pointerId !== current.pointerId) return
      pointer.current = { x: event.clientX, y: event.clientY }
      if (dragRef.current === null) {
        if (Math.hypot(event.clientX - current.x, event.clientY - current.y) < START_DISTANCE_PX) return
        if (event.pointerType === 'touch') release()
        else start()
        return
      }
      follow()
    }

    const follow = () => {
      const current = press.current
      if (current === null || board.current === null || dragRef.current === null) return
      const { x, y } = pointer.current
      ghost.current?.style.setProperty('translate', `${x - current.grip.x}px ${y - current.grip.y}px`)
      const place = placeAt(board.current, pointer.current, current.task.id)
      const known = dragRef.current
      if (place.status !== known.status || place.afterId !== known.afterId) setDrag({ ...known, ...place })
    }

    const onUp = (event: PointerEvent) => {
      if (press.current === null || event.pointerId !== press.current.pointerId) return
      const active = dragRef.current
      release()
      if (active?.by !== 'pointer') return
      // The click that ends a drag opens nothing.
      addEventListener('click', swallow, { capture: true, once: true })
      setTimeout(() => removeEventListener('click', swallow, { capture: true }))
      setDrag(null)
      if (event.type === 'pointerup')
        dropRef.current(active.task, active, ghost.current?.getBoundingClientRect())
    }

    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || dragRef.current?.by !== 'pointer') return
      event.stopPropagation()
      release()
      setDrag(null)
    }

    // A finger that carries a task does not scroll the page.
    const onTouchMove = (event: TouchEvent) => {
      if (dragRef.current?.by === 'pointer' && event.cancelable) event.preventDefault()
    }
    const onContextMenu = (event: Event) => {
      if (press.current?.holdTimer !== undefined) event.preventDefault()
    }

    // Near an edge the board scrolls along.
    let frame = requestAnimationFrame(function scroll() {
      frame = requestAnimationFrame(scroll)
      const element = board.current
      if (dragRef.current?.by !== 'pointer' || element === null) return
      const rect = element.getBoundingClientRect()
      const { x, y } = pointer.current
      const byX = x < rect.left + EDGE_PX ? -1 : x > rect.right - EDGE_PX ? 1 : 0
      const byY = y < rect.top + EDGE_PX ? -1 : y > rect.bottom - EDGE_PX ? 1 : 0
      if (byX === 0 && byY === 0) return
      element.scrollBy({ left: byX * EDGE_SPEED_PX, top: byY * EDGE_SPEED_PX, behavior: 'instant' })
      follow()
    })

    const touchBoard = board.current
    addEventListener('pointermove', onMove)
    addEventListener('pointerup', onUp)
    addEventListener('pointercancel', onUp)
    addEventListener('keydown', onKeyDown, true)
    addEventListener('contextmenu', onContextMenu)
    touchBoard?.addEventListener('touchmove', onTouchMove, { passive: false })
    return () => {
      release()
      cancelAnimationFrame(frame)
      removeEventListener('pointermove', onMove)
      removeEventListener('pointerup', onUp)
      removeEventListener('pointercancel', onUp)
      removeEventListener('keydown', onKeyDown, true)
      removeEventListener('contextmenu', onContextMenu)
      touchBoard?.removeEventListener('touchmove', onTouchMove)
    }
    // Everything above reads refs: the listeners are set once.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [])

  /** Where the ghost starts, before the pointer moves again. */
  function ghostStyle() {
    const current = press.current
    if (current === null) return {}
    const { x, y } = pointer.current
    return { width: current.width, translate: `${x - current.grip.x}px ${y - current.grip.y}px` }
  }

  return { drag, setDrag, pressTask, ghostStyle }
}

const swallow = (event: Event) => {
  event.preventDefault()
  event.stopPropagation()
}

/** The place in the columns that a point on the screen stands for. */
function placeAt(board: HTMLElement, { x, y }: { x: number; y: number }, draggedId: string): DropPlace {
  const columns = [...board.querySelectorAll<HTMLElement>('[data-column]')]
  const distance = (column: HTMLElement) => {
    const { left, right } = column.getBoundingClientRect()
    return x < left ? left - x : x > right ? x - right : 0
  }
  const column = columns.reduce((best, other) => (distance(other) < distance(best) ? other : best))
  let afterId: string | null = null
  for (const card of column.querySelectorAll<HTMLElement>('[data-task-id]')) {
    const { top, height } = card.getBoundingClientRect()
    if (card.dataset['taskId'] === draggedId) continue
    if (y < top + height / 2) break
    afterId = card.dataset['taskId']!
  }
  return { status: column.dataset['column'] as Status, afterId }
}
