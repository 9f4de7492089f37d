import { useEffect } from 'react'
import { Store, useStore } from '../store.ts'

const spoken = new Store('')
const GATHERING_MS = 350
let waiting: string[] = []
let timer: ReturnType<typeof setTimeout> | undefined

/** Says what one has just done, to people who use a screen reader. The newest word counts. */
export function announce(text: string): void {
  spoken.set(text)
}

/**
 * Says what others have done, when the reader is not in the middle of something else. What comes close together
 * is said together; of a flood, only how much it was.
 */
export function announceFromOthers(text: string): void {
  waiting.push(text)
  timer ??= setTimeout(() => {
    const [first, second, ...rest] = [...new Set(waiting)]
    const more = rest.length === 0 ? [] : [`and ${rest.length} more changes`]
    spoken.set([first, second, ...more].filter((sentence) => sentence !== undefined).join('. '))
    waiting = []
    timer = undefined
  }, GATHERING_MS)
}

export function Announcer() {
  const text = useStore(spoken)
  // The same words twice in a row are only read again when the region was empty between.
  useEffect(() => {
    if (text === '') return
    const emptied = setTimeout(() => spoken.set(''), 4_000)
    return () => clearTimeout(emptied)
  }, [text])
  return (
    <div className="visually-hidden" role="status" aria-live="polite" data-testid="announcer">
      {text}
    </div>
  )
}
