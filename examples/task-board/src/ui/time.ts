import { Store, useStore } from '../store.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const minuteClock = new Store(Date.now())
setInterval(() => minuteClock.set(Date.now()), 20 * SECOND)

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' })
const shortDate = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' })
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

/** "4 min. ago", kept up to date while it is shown. */
export function useTimeAgo(iso: string): string {
  const now = useStore(minuteClock)
  const age = Math.max(0, now - Date.parse(iso))
  if (age < 45 * SECOND) return 'just now'
  if (age < HOUR) return relative.format(-Math.round(age / MINUTE) || -1, 'minute')
  if (age < DAY) return relative.format(-Math.round(age / HOUR), 'hour')
  if (age < 7 * DAY) return relative.format(-Math.round(age / DAY), 'day')
  return shortDate.format(Date.parse(iso))
}

export const exactTime = (iso: string) => exact.format(Date.parse(iso))

/** "Tomorrow", "Fri", "31 Jan": a calendar day as people say it, and how urgent it is. */
export function dueText(dueOn: string, now = new Date()): { text: string; isLate: boolean; isSoon: boolean } {
  const today = Date.UTC(now.getFullYear(), now.getMonth(), now.getDate())
  const days = Math.round((Date.parse(dueOn) - today) / DAY)
  const date = new Date(`${dueOn}T12:00`)
  const text =
    days === 0
      ? 'Today'
      : days === 1
        ? 'Tomorrow'
        : days === -1
          ? 'Yesterday'
          : days > 1 && days < 7
            ? date.toLocaleDateString('en', { weekday: 'long' })
            : shortDate.format(date)
  return { text, isLate: days < 0, isSoon: days >= 0 && days <= 1 }
}
