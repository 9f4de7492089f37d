import { useLayoutEffect, useRef, type RefObject } from 'react'

interface Place {
  readonly group: string
  /** Within the content of its group, whatever it is scrolled to. */
  readonly top: number
  readonly left: number
}

const DURATION_MS = 240
const EASING = 'cubic-bezier(0.2, 0.8, 0.2, 1)'

/**
 * Lets rows glide to their new places instead of jumping, whoever moved them. Rows are elements with
 * `data-task-id` inside groups with `data-column`. When `resetKey` changes, another list is shown: nothing glides.
 */
export function useGlide(container: RefObject<HTMLElement | null>, resetKey: string) {
  const places = useRef(new Map<string, Place>())
  const shownKey = useRef<string | null>(null)
  /** Where a row comes from when that is not its last place: out of a hand. */
  const origins = useRef(new Map<string, DOMRect>())

  useLayoutEffect(() => {
    const element = container.current
    if (element === null) return
    const known = places.current
    const next = new Map<string, Place>()
    const mayMove = shownKey.current === resetKey && !matchMedia('(prefers-reduced-motion: reduce)').matches
    for (const group of element.querySelectorAll<HTMLElement>('[data-column]')) {
      for (const row of group.querySelectorAll<HTMLElement>('[data-task-id]')) {
        const id = row.dataset['taskId']!
        const place = placeOf(row, group)
        next.set(id, place)
        if (!mayMove) continue
        const before = known.get(id)
        const origin = origins.current.get(id)
        if (origin !== undefined) glideFrom(row, origin)
        else if (before === undefined)
          row.animate([{ opacity: 0, scale: 0.96 }, {}], { duration: DURATION_MS, easing: EASING })
        else {
          const x = before.left - place.left
          const y = before.top - place.top
          // Between groups that scroll by themselves, what counts is how it looked.
          const scrolled =
            before.group === place.group ? 0 : scrollOf(element, before.group) - group.scrollTop
          if (x !== 0 || y !== 0) glide(row, x, y - scrolled)
        }
      }
    }
    origins.current.clear()
    places.current = next
    shownKey.current = resetKey
  })

  return (taskId: string, origin: DOMRect) => void origins.current.set(taskId, origin)
}

/** Layout offsets, because they do not see the animations that are running. */
function placeOf(row: HTMLElement, group: HTMLElement): Place {
  const isInside = row.offsetParent === group
  return {
    group: group.dataset['column']!,
    top: row.offsetTop + (isInside ? group.offsetTop : 0),
    left: row.offsetLeft + (isInside ? group.offsetLeft : 0),
  }
}

const scrollOf = (container: HTMLElement, group: string) =>
  container.querySelector(`[data-column="${group}"]`)?.scrollTop ?? 0

function glideFrom(row: HTMLElement, origin: DOMRect): void {
  const rect = row.getBoundingClientRect()
  glide(row, origin.left - rect.left, origin.top - rect.top)
}

function glide(row: HTMLElement, x: number, y: number): void {
  row.style.zIndex = '2'
  const animation = row.animate([{ translate: `${x}px ${y}px` }, { translate: '0 0' }], {
    duration: DURATION_MS,
    easing: EASING,
  })
  animation.onfinish = animation.oncancel = () => {
    row.style.zIndex = ''
  }
}
