import { useId, type KeyboardEvent, type ReactNode } from 'react'

export interface Tab<TName extends string> {
  readonly name: TName
  readonly label: string
  /** Shown beside the label. */
  readonly count?: number | undefined
  readonly isAlarming?: boolean | undefined
}

interface TabsProps<TName extends string> {
  readonly label: string
  readonly tabs: readonly Tab<TName>[]
  readonly selected: TName
  readonly select: (name: TName) => void
  readonly children: ReactNode
}

/** Tabs with the keys that people expect: arrows, Home and End. */
export function Tabs<TName extends string>({ label, tabs, selected, select, children }: TabsProps<TName>) {
  const id = useId()
  const tabId = (name: string) => `${id}-${name}`
  const panelId = `${id}-panel`

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const at = tabs.findIndex(({ name }) => name === selected)
    const to: Record<string, number> = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }
    const next = tabs[to[event.key] ?? -1]
    if (!next) return
    event.preventDefault()
    select(next.name)
    // It may live in a window of its own.
    event.currentTarget.ownerDocument.getElementById(tabId(next.name))?.focus()
  }

  return (
    <>
      <div role="tablist" aria-label={label} className="rqbd-tabs" onKeyDown={onKeyDown}>
        {tabs.map(({ name, label, count, isAlarming }) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={tabId(name)}
            aria-selected={name === selected}
            aria-controls={name === selected ? panelId : undefined}
            tabIndex={name === selected ? 0 : -1}
            onClick={() => {
              select(name)
            }}
          >
            {label}
            {count !== undefined && count > 0 && (
              <span className="rqbd-count" data-tone={isAlarming ? 'bad' : undefined}>
                {count}
              </span>
            )}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={panelId} aria-labelledby={tabId(selected)} className="rqbd-body">
        {children}
      </div>
    </>
  )
}
