import { Store, useStore } from '../store.ts'

const KEY = 'task-board.theme'
const system = matchMedia('(prefers-color-scheme: dark)')

const chosen = new Store<'light' | 'dark' | null>(
  (document.documentElement.dataset['theme'] as 'light' | 'dark' | undefined) ?? null,
)
const systemTheme = new Store<'light' | 'dark'>(system.matches ? 'dark' : 'light')
system.addEventListener('change', () => systemTheme.set(system.matches ? 'dark' : 'light'))

/** The theme that is shown, and a way to the other one. What the system says holds until a person chooses. */
export function useTheme(): { theme: 'light' | 'dark'; toggle: () => void } {
  const choice = useStore(chosen)
  const other = useStore(systemTheme)
  const theme = choice ?? other
  return {
    theme,
    toggle() {
      const next = theme === 'dark' ? 'light' : 'dark'
      chosen.set(next)
      document.documentElement.dataset['theme'] = next
      localStorage.setItem(KEY, next)
    },
  }
}
