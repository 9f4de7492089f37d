import { useEffect, useRef, useState } from 'react'
import { Store, useStore } from '../store.ts'
import { AlertIcon, CloseIcon } from './icons.tsx'
import css from './toasts.module.css'

interface Toast {
  readonly id: number
  readonly tone: 'neutral' | 'error'
  readonly text: string
  readonly action?: { readonly label: string; readonly run: () => void }
}

const LIFE_MS = 8_000
const AT_MOST = 3

const toasts = new Store<readonly Toast[]>([])
let lastId = 0

/** Says something at the foot of the window, for a while, with one thing that can be done about it. */
export function showToast(toast: Omit<Toast, 'id'>): void {
  toasts.set((all) => [...all.slice(1 - AT_MOST), { ...toast, id: ++lastId }])
}

const dismiss = (id: number) => toasts.set((all) => all.filter((toast) => toast.id !== id))

export function Toasts() {
  const all = useStore(toasts)
  return (
    <section className={css.toasts} aria-label="Notifications" aria-live="polite" aria-relevant="additions">
      {all.map((toast) => (
        <ToastCard key={toast.id} toast={toast} />
      ))}
    </section>
  )
}

function ToastCard({ toast }: { toast: Toast }) {
  const { id, action } = toast
  const [isHeld, setIsHeld] = useState(false)
  const leftMs = useRef(LIFE_MS)
  // It stays as long as the pointer or the focus is on it.
  useEffect(() => {
    if (isHeld) return
    const startedAt = performance.now()
    const timer = setTimeout(() => dismiss(id), leftMs.current)
    return () => {
      clearTimeout(timer)
      leftMs.current = Math.max(2_000, leftMs.current - (performance.now() - startedAt))
    }
  }, [id, isHeld])

  return (
    <div
      className={css.toast}
      data-tone={toast.tone}
      onPointerEnter={() => setIsHeld(true)}
      onPointerLeave={() => setIsHeld(false)}
      onFocus={() => setIsHeld(true)}
      onBlur={() => setIsHeld(false)}
    >
      {toast.tone === 'error' && <AlertIcon className={css.icon} />}
      <span className={css.text}>{toast.text}</span>
      {action !== undefined && (
        <button
          className={css.action}
          onClick={() => {
            dismiss(id)
            action.run()
          }}
        >
          {action.label}
        </button>
      )}
      <button className={css.close} aria-label="Dismiss" onClick={() => dismiss(id)}>
        <CloseIcon size={14} />
      </button>
    </div>
  )
}
