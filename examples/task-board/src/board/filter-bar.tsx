import { useEffect, useEffectEvent, useRef, useState } from 'react'
import { LABELS, PRIORITIES, SORTS, STATUSES, type TaskFilters } from '../../shared/model.ts'
import { hrefOf, navigate, type Route } from '../router.ts'
import { useShortcut } from '../shell/shortcuts.ts'
import { Avatar } from '../ui/avatar.tsx'
import { Button } from '../ui/controls.tsx'
import { CloseIcon, PriorityIcon, SearchIcon, SortIcon, StatusIcon, TagIcon } from '../ui/icons.tsx'
import { Menu } from '../ui/menu.tsx'
import { LABEL_NAMES, PRIORITY_NAMES, SORT_NAMES, STATUS_NAMES } from '../ui/words.ts'
import { useBoard } from './board-scope.ts'
import css from './filter-bar.module.css'
import { LabelDot } from './label-chip.tsx'

const TYPING_PAUSE_MS = 200

export function FilterBar({ route, isFetching }: { route: Route; isFetching: boolean }) {
  const { members } = useBoard()
  const { filters, view } = route
  const { q, sort, ...others } = filters
  const isFiltered = q !== undefined || Object.keys(others).length > 0

  /** An empty value takes a filter away. */
  function change(next: { [Name in keyof TaskFilters]: TaskFilters[Name] | undefined }) {
    const merged = Object.entries({ ...filters, ...next }).filter(
      ([, value]) => value !== undefined && value !== '',
    )
    navigate(hrefOf({ ...route, filters: Object.fromEntries(merged) }), { replace: true })
  }

  return (
    <div className={css.bar} role="search" aria-label="Filter tasks">
      <SearchField key={route.boardId} value={q ?? ''} change={(text) => change({ q: text.trim() })} />

      <div className={css.people} role="group" aria-label="Assignee">
        {members.map((user) => (
          <button
            key={user.id}
            className={css.person}
            aria-pressed={filters.assignee === user.id}
            aria-label={user.name}
            title={user.name}
            onClick={() => change({ assignee: filters.assignee === user.id ? undefined : user.id })}
          >
            <Avatar user={user} />
          </button>
        ))}
        <button
          className={css.person}
          aria-pressed={filters.assignee === 'nobody'}
          aria-label="Nobody"
          title="Nobody"
          onClick={() => change({ assignee: filters.assignee === 'nobody' ? undefined : 'nobody' })}
        >
          <Avatar user={undefined} />
        </button>
      </div>

      {view === 'list' && (
        <Menu
          label="Status"
          sections={[
            {
              choose: 'one',
              items: STATUSES.map((status) => ({
                key: status,
                name: STATUS_NAMES[status],
                icon: <StatusIcon status={status} />,
                isChecked: filters.status === status,
                run: () => change({ status: filters.status === status ? undefined : status }),
              })),
            },
          ]}
          trigger={(props) => (
            <Button {...props} className={css.filter} data-on={filters.status !== undefined || undefined}>
              <StatusIcon status={filters.status ?? 'doing'} size={14} />
              {filters.status === undefined ? 'Status' : STATUS_NAMES[filters.status]}
            </Button>
          )}
        />
      )}

      <Menu
        label="Priority"
        sections={[
          {
            choose: 'one',
            items: [...PRIORITIES].reverse().map((priority) => ({
              key: priority,
              name: PRIORITY_NAMES[priority],
              icon: <PriorityIcon priority={priority} />,
              isChecked: filters.priority === priority,
              run: () => change({ priority: filters.priority === priority ? undefined : priority }),
            })),
          },
        ]}
        trigger={(props) => (
          <Button {...props} className={css.filter} data-on={filters.priority !== undefined || undefined}>
            <PriorityIcon priority={filters.priority ?? 'high'} size={14} />
            {filters.priority === undefined ? 'Priority' : PRIORITY_NAMES[filters.priority]}
          </Button>
        )}
      />

      <Menu
        label="Label"
        sections={[
          {
            choose: 'one',
            items: LABELS.map((label) => ({
              key: label,
              name: LABEL_NAMES[label],
              icon: <LabelDot label={label} />,
              isChecked: filters.label === label,
              run: () => change({ label: filters.label === label ? undefined : label }),
            })),
          },
        ]}
        trigger={(props) => (
          <Button {...props} className={css.filter} data-on={filters.label !== undefined || undefined}>
            <TagIcon size={14} />
            {filters.label === undefined ? 'Label' : LABEL_NAMES[filters.label]}
          </Button>
        )}
      />

      {isFiltered && (
        <Button
          onClick={() =>
            change({
              q: undefined,
              status: undefined,
              assignee: undefined,
              priority: undefined,
              label: undefined,
            })
          }
        >
          <CloseIcon size={13} /> Clear
        </Button>
      )}

      <div className={css.right}>
        <span className={css.progress} data-on={isFetching || undefined} aria-hidden="true" />
        {view === 'list' && (
          <Menu
            label="Sort by"
            sections={[
              {
                heading: 'Sort by',
                choose: 'one',
                items: SORTS.map((name) => ({
                  key: name,
                  name: SORT_NAMES[name],
                  isChecked: (sort ?? 'rank') === name,
                  run: () => change({ sort: name === 'rank' ? undefined : name }),
                })),
              },
            ]}
            trigger={(props) => (
              <Button {...props}>
                <SortIcon size={14} /> {SORT_NAMES[sort ?? 'rank']}
              </Button>
            )}
          />
        )}
      </div>
    </div>
  )
}

/** Follows the address, except while somebody types in it. */
function SearchField({ value, change }: { value: string; change: (text: string) => void }) {
  const input = useRef<HTMLInputElement>(null)
  const [draft, setDraft] = useState<string | null>(null)
  useShortcut('/', () => input.current?.select())
  const settle = useEffectEvent(() => {
    if (draft === null) return
    change(draft)
    setDraft(null)
  })
  useEffect(() => {
    if (draft === null) return
    const timer = setTimeout(() => settle(), TYPING_PAUSE_MS)
    return () => clearTimeout(timer)
  }, [draft])

  return (
    <label className={css.search}>
      <SearchIcon size={14} />
      <input
        ref={input}
        type="search"
        aria-label="Search tasks"
        placeholder="Search"
        value={draft ?? value}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return
          setDraft('')
          event.currentTarget.blur()
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  )
}
