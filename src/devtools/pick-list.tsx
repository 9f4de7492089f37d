import { memo, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react'

/** Rows that are in the document at first, and how many more each time. */
const ROWS = 100

interface PickListProps<TItem> {
  readonly label: string
  readonly items: readonly TItem[]
  readonly keyOf: (item: TItem) => string
  readonly selected: string | undefined
  readonly select: (key: string | undefined) => void
  /** What stands in the line of an item. The same function each time. */
  readonly row: (item: TItem) => ReactNode
  /** For items that change and stay the same object: renders them all when it is another one. */
  readonly version?: number | undefined
  readonly empty: ReactNode
  /** What the selected one is about, shown beside the list, or under it. */
  readonly detail: ReactNode
}

/** A list to pick from with the arrow keys, and what is picked beside it. Never more rows than somebody has asked for. */
export function PickList<TItem>(props: PickListProps<TItem>) {
  const { label, items, keyOf, selected, select, row, version, empty, detail } = props
  const [limit, setLimit] = useState(ROWS)
  const shown = items.slice(0, limit)
  const hasSelected = shown.some((item) => keyOf(item) === selected)

  const close = () => {
    select(undefined)
  }
  const onClick = (event: MouseEvent<HTMLElement>) => {
    const key = (event.target as HTMLElement).closest<HTMLElement>('[data-row]')?.dataset['row']
    if (key !== undefined) select(key === selected ? undefined : key)
  }
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.key === 'Escape' && detail) {
      event.stopPropagation()
      close()
    }
    const rows = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-row]')]
    const at = rows.indexOf(event.target as HTMLElement)
    const to: Record<string, number> = {
      ArrowDown: Math.min(at + 1, rows.length - 1),
      ArrowUp: Math.max(at - 1, 0),
      Home: 0,
      End: rows.length - 1,
    }
    const next = at < 0 ? undefined : rows[to[event.key] ?? -1]
    if (!next) return
    event.preventDefault()
    next.focus()
  }

  return (
    <div className="rqbd-split" data-open={detail ? '' : undefined} onKeyDown={onKeyDown}>
      <div className="rqbd-list">
        {items.length === 0 && <div className="rqbd-empty">{empty}</div>}
        <ul aria-label={label} onClick={onClick}>
          {shown.map((item, index) => {
            const key = keyOf(item)
            const isSelected = key === selected
            return (
              <Row
                key={key}
                id={key}
                item={item}
                row={row as (item: unknown) => ReactNode}
                version={version}
                isSelected={isSelected}
                isFirstStop={isSelected || (!hasSelected && index === 0)}
              />
            )
          })}
        </ul>
        {items.length > limit && (
          <button
            type="button"
            className="rqbd-more"
            onClick={() => {
              setLimit(limit + ROWS)
            }}
          >
            {`Show ${Math.min(ROWS, items.length - limit)} more of ${items.length}`}
          </button>
        )}
      </div>
      {detail && (
        <div className="rqbd-detail" role="region" aria-label={`${label}: details`} tabIndex={0}>
          <button type="button" className="rqbd-close" aria-label="Close the details" onClick={close}>
            ×
          </button>
          {detail}
        </div>
      )}
    </div>
  )
}

interface RowProps {
  readonly id: string
  readonly item: unknown
  readonly row: (item: unknown) => ReactNode
  readonly version: number | undefined
  readonly isSelected: boolean
  /** The Tab key comes to it; the arrow keys lead on from there. */
  readonly isFirstStop: boolean
}

const Row = memo(function Row({ id, item, row, isSelected, isFirstStop }: RowProps) {
  return (
    <li>
      <button
        type="button"
        data-row={id}
        className="rqbd-row"
        aria-pressed={isSelected}
        tabIndex={isFirstStop ? 0 : -1}
      >
        {row(item)}
      </button>
    </li>
  )
})
