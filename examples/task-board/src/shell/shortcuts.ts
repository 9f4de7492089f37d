import { useEffect, useEffectEvent } from 'react'
import { Store } from '../store.ts'

const KEY = 'task-board.shortcuts'

/** Whether single keys do something. Some people speak or mistype: for them they can be switched off. */
export const shortcutsOn = new Store(localStorage.getItem(KEY) !== 'off')
shortcutsOn.subscribe(() => localStorage.setItem(KEY, shortcutsOn.get() ? 'on' : 'off'))

/** Calls `run` when `key` is pressed outside of text fields, menus and dialogs. */
export function useShortcut(key: string, run: () => void): void {
  const onPress = useEffectEvent((event: KeyboardEvent) => {
    if (event.key !== key || event.defaultPrevented) return
    if (event.ctrlKey || event.metaKey || event.altKey || !shortcutsOn.get()) return
    const target = event.target as HTMLElement
    if (target.closest('input, textarea, select, [contenteditable], [role=menu], dialog') !== null) return
    event.preventDefault()
    run()
  })
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onPress(event)
    addEventListener('keydown', listener)
    return () => removeEventListener('keydown', listener)
  }, [])
}
