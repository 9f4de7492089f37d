/** The icons: drawn on a 16-pixel grid, in the colour of the text around them. */
import type { ReactNode } from 'react'
import { PRIORITIES, type Priority, type Status } from '../../shared/model.ts'

interface IconProps {
  readonly size?: number
  readonly className?: string | undefined
}

function draw(shape: ReactNode) {
  return function Icon({ size = 16, className }: IconProps) {
    return (
      <svg
        width={size}
        height={size}
        viewBox="0 0 16 16"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        className={className}
      >
        {shape}
      </svg>
    )
  }
}

export const PlusIcon = draw(<path d="M8 3.5v9M3.5 8h9" />)
export const SearchIcon = draw(
  <>
    <circle cx="7" cy="7" r="4.25" />
    <path d="m10.25 10.25 3 3" />
  </>,
)
export const CloseIcon = draw(<path d="m4 4 8 8M12 4l-8 8" />)
export const CheckIcon = draw(<path d="m3.5 8.5 3 3 6-7" />)
export const MoreIcon = draw(
  <g fill="currentColor" stroke="none">
    <circle cx="3.25" cy="8" r="1.25" />
    <circle cx="8" cy="8" r="1.25" />
    <circle cx="12.75" cy="8" r="1.25" />
  </g>,
)
export const MenuIcon = draw(<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h7" />)
export const LockIcon = draw(
  <>
    <rect x="3.5" y="7" width="9" height="6.5" rx="1.5" />
    <path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2" />
  </>,
)
export const TrashIcon = draw(
  <path d="M2.75 4.25h10.5M6 4.25V2.75h4v1.5m-5.75 0 .5 9h6.5l.5-9M6.75 7v3.5M9.25 7v3.5" />,
)
export const PencilIcon = draw(
  <path d="m2.75 13.25.5-2.75 7.75-7.75 2.25 2.25-7.75 7.75-2.75.5Zm6.5-8.75 2.25 2.25" />,
)
export const UserIcon = draw(
  <>
    <circle cx="8" cy="5.25" r="2.5" />
    <path d="M3 13.25c.6-2.4 2.6-3.5 5-3.5s4.4 1.1 5 3.5" />
  </>,
)
export const TagIcon = draw(
  <>
    <path d="M2.75 7.5v-4c0-.4.3-.75.75-.75h4l5.75 5.75-4.75 4.75L2.75 7.5Z" />
    <circle cx="5.5" cy="5.5" r=".6" fill="currentColor" />
  </>,
)
export const CalendarIcon = draw(
  <>
    <rect x="2.5" y="3.5" width="11" height="10" rx="2" />
    <path d="M2.5 6.75h11M5.5 2v2.5M10.5 2v2.5" />
  </>,
)
export const CommentIcon = draw(
  <path d="M3.75 2.75h8.5c.8 0 1.5.7 1.5 1.5v5.5c0 .8-.7 1.5-1.5 1.5H8l-3.25 2.5v-2.5h-1c-.8 0-1.5-.7-1.5-1.5v-5.5c0-.8.7-1.5 1.5-1.5Z" />,
)
export const BoardIcon = draw(
  <>
    <rect x="2.25" y="2.75" width="3" height="10.5" rx="1" />
    <rect x="6.5" y="2.75" width="3" height="6.5" rx="1" />
    <rect x="10.75" y="2.75" width="3" height="8.5" rx="1" />
  </>,
)
export const ListIcon = draw(<path d="M5.75 4h8M5.75 8h8M5.75 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01" />)
export const ActivityIcon = draw(<path d="M1.75 8h2.5l2-4.75 3.5 9.5L11.75 8h2.5" />)
export const SortIcon = draw(
  <path d="M4.5 3.25v9.5m0 0L2.25 10.5m2.25 2.25 2.25-2.25M8.75 4.5h5M8.75 8h3.5M8.75 11.5h2" />,
)
export const SunIcon = draw(
  <>
    <circle cx="8" cy="8" r="2.75" />
    <path d="M8 1.5v1.25M8 13.25v1.25M1.5 8h1.25M13.25 8h1.25M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" />
  </>,
)
export const MoonIcon = draw(<path d="M13.25 9.75A5.75 5.75 0 0 1 6.25 2.75a5.75 5.75 0 1 0 7 7Z" />)
export const HelpIcon = draw(
  <>
    <circle cx="8" cy="8" r="5.75" />
    <path d="M6.25 6.25c.2-1 .9-1.5 1.8-1.5 1 0 1.8.6 1.8 1.6 0 1.3-1.8 1.4-1.8 2.65M8 11.25h.01" />
  </>,
)
export const SwitchIcon = draw(
  <path d="M10.75 2.5 13.5 5l-2.75 2.5M13.25 5H4.5M5.25 13.5 2.5 11l2.75-2.5M2.75 11h8.75" />,
)
export const AlertIcon = draw(
  <>
    <path d="M8 2.5 14 13H2L8 2.5Z" />
    <path d="M8 6.5v3M8 11.25h.01" />
  </>,
)
export const NetworkIcon = draw(
  <path d="M1.75 6.25a9 9 0 0 1 12.5 0M3.9 8.6a5.9 5.9 0 0 1 8.2 0M6.1 10.85a2.8 2.8 0 0 1 3.8 0M8 13.1h.01" />,
)
export const PlugIcon = draw(
  <path d="M5.75 1.75v3M10.25 1.75v3M4 4.75h8v2.5a4 4 0 0 1-8 0v-2.5ZM8 11.25v3" />,
)
export const ArrowUpIcon = draw(<path d="M8 12.75v-9.5m0 0L4.25 7M8 3.25 11.75 7" />)
export const ArrowDownIcon = draw(<path d="M8 3.25v9.5m0 0L4.25 9M8 12.75 11.75 9" />)
export const SendIcon = draw(<path d="M13.5 2.5 7.25 8.75M13.5 2.5l-4 11-2.25-4.75L2.5 6.5l11-4Z" />)
export const RetryIcon = draw(<path d="M13.25 8a5.25 5.25 0 1 1-1.5-3.7l1.5 1.45m0-3.25v3.25H10" />)

/** A circle that fills up from "to do" to "done". */
export function StatusIcon({ status, size = 16 }: { status: Status; size?: number }) {
  const color = `var(--status-${status})`
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" aria-hidden="true">
      {status === 'done' ? (
        <>
          <circle cx="8" cy="8" r="6.5" fill={color} />
          <path
            d="m5.1 8.3 2 2 3.8-4.4"
            stroke="var(--surface)"
            strokeWidth="1.6"
            strokeLinecap="round"
            strokeLinejoin="round"
          />
        </>
      ) : (
        <>
          <circle
            cx="8"
            cy="8"
            r="5.75"
            stroke={color}
            strokeWidth="1.5"
            strokeDasharray={status === 'todo' ? '2.2 1.41' : undefined}
          />
          {status === 'doing' && <path d="M8 4.5a3.5 3.5 0 0 1 0 7Z" fill={color} />}
          {status === 'review' && <path d="M8 8V4.5A3.5 3.5 0 1 1 4.5 8Z" fill={color} />}
        </>
      )}
    </svg>
  )
}

/** Bars like those of a phone's reception; an urgent one is a filled square with an exclamation mark. */
export function PriorityIcon({ priority, size = 16 }: { priority: Priority; size?: number }) {
  const level = PRIORITIES.indexOf(priority)
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" aria-hidden="true">
      {priority === 'urgent' ? (
        <>
          <rect x="1.75" y="1.75" width="12.5" height="12.5" rx="3.5" fill="var(--danger)" />
          <path d="M8 4.75v3.75M8 11.1h.01" stroke="#fff" strokeWidth="1.8" strokeLinecap="round" />
        </>
      ) : priority === 'none' ? (
        <path d="M3 8h2M7 8h2M11 8h2" stroke="var(--text-3)" strokeWidth="1.6" strokeLinecap="round" />
      ) : (
        [0, 1, 2].map((bar) => (
          <rect
            key={bar}
            x={2 + bar * 4.5}
            y={9.5 - bar * 3.25}
            width="3"
            height={4 + bar * 3.25}
            rx="1"
            fill={bar < level ? 'var(--text-2)' : 'var(--line-strong)'}
          />
        ))
      )}
    </svg>
  )
}

/** How much of a board is done. */
export function ProgressRing({ done, total, color }: { done: number; total: number; color: string }) {
  const length = 2 * Math.PI * 5.5
  const share = total === 0 ? 0 : done / total
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" fill="none" aria-hidden="true">
      <circle cx="8" cy="8" r="5.5" stroke={color} strokeOpacity=".25" strokeWidth="3" />
      <circle
        cx="8"
        cy="8"
        r="5.5"
        stroke={color}
        strokeWidth="3"
        strokeDasharray={`${share * length} ${length}`}
        transform="rotate(-90 8 8)"
        style={{ transition: 'stroke-dasharray var(--calm) var(--ease)' }}
      />
    </svg>
  )
}
