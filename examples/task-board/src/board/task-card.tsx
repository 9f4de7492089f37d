import { memo, useState, type KeyboardEvent, type PointerEvent } from 'react'
import type { Task } from '../../shared/model.ts'
import type { TaskSync } from '../task-sync.ts'
import { RouteLink } from '../route-link.tsx'
import { Avatar } from '../ui/avatar.tsx'
import { IconButton } from '../ui/controls.tsx'
import {
  ArrowDownIcon,
  ArrowUpIcon,
  CommentIcon,
  MoreIcon,
  PencilIcon,
  PriorityIcon,
  TrashIcon,
} from '../ui/icons.tsx'
import { Menu } from '../ui/menu.tsx'
import { useBoard } from './board-scope.ts'
import { DueChip } from './due-chip.tsx'
import { AssigneeMenu, PriorityMenu, useColumn, useStatusSection } from './field-menus.tsx'
import { LabelChip } from './label-chip.tsx'
import { RemoteLight } from './remote-light.tsx'
import { FailedWrite, SyncMark } from './sync-mark.tsx'
import css from './task-card.module.css'
import { TitleEditor } from './title-editor.tsx'

interface TaskCardProps {
  readonly task: Task
  readonly sync: TaskSync | undefined
  readonly isOpen: boolean
  /** It is in somebody's hand: its place is kept. */
  readonly isLifted: boolean
  readonly isDropAfter: boolean
  readonly pressTask: (event: PointerEvent<HTMLElement>, task: Task) => void
  readonly onKeyDown: (event: KeyboardEvent, task: Task) => void
}

export const TaskCard = memo(function TaskCard(props: TaskCardProps) {
  const { task, sync, isOpen, isLifted, isDropAfter, pressTask, onKeyDown } = props
  const { hrefOfTask, writes } = useBoard()
  const [isRenaming, setIsRenaming] = useState(false)

  function onLinkKeyDown(event: KeyboardEvent) {
    if (!isLifted && (event.key === 'e' || event.key === 'F2')) {
      event.preventDefault()
      event.stopPropagation()
      setIsRenaming(true)
    } else if (!isLifted && event.key === 'Delete') {
      writes.remove(task)
    } else onKeyDown(event, task)
  }

  return (
    <li
      className={css.card}
      data-task-id={task.id}
      data-pending={(sync && sync.status !== 'failed') || undefined}
      data-sync={sync?.status}
      data-open={isOpen || undefined}
      data-lifted={isLifted || undefined}
      data-drop-after={isDropAfter || undefined}
      onPointerDown={(event) => pressTask(event, task)}
    >
      <RemoteLight taskId={task.id} />
      <div className={css.top}>
        <span className={css.key}>{task.key === '' ? 'New' : task.key}</span>
        <SyncMark sync={sync} />
        <TaskMenu task={task} rename={() => setIsRenaming(true)} />
      </div>
      {isRenaming ? (
        <TitleEditor
          className={css.title}
          label={`Title of ${task.key}`}
          initial={task.title}
          save={(title) => writes.patch(task, { title })}
          leave={() => setIsRenaming(false)}
        />
      ) : (
        <RouteLink
          className={`${css.title} ${css.link}`}
          href={hrefOfTask(task.id)}
          data-card-link
          draggable={false}
          aria-describedby="card-keys"
          aria-current={isOpen || undefined}
          onKeyDown={onLinkKeyDown}
        >
          {task.title}
        </RouteLink>
      )}
      <div className={css.foot}>
        <PriorityMenu
          task={task}
          trigger={(trigger) => (
            <button {...trigger} className={css.field} data-no-drag title="Priority">
              <PriorityIcon priority={task.priority} />
            </button>
          )}
        />
        <CardDetails task={task} />
        <AssigneeMenu
          task={task}
          trigger={(trigger) => (
            <button {...trigger} className={css.assignee} data-no-drag title="Assignee">
              <Assignee task={task} />
            </button>
          )}
        />
      </div>
      <FailedWrite sync={sync} name={task.title} />
    </li>
  )
})

/** How a card looks, with nothing on it to press: what follows the pointer. */
export function CardFace({ task }: { task: Task }) {
  return (
    <div className={css.card}>
      <div className={css.top}>
        <span className={css.key}>{task.key}</span>
      </div>
      <span className={css.title}>{task.title}</span>
      <div className={css.foot}>
        <span className={css.field}>
          <PriorityIcon priority={task.priority} />
        </span>
        <CardDetails task={task} />
        <span className={css.assignee}>
          <Assignee task={task} />
        </span>
      </div>
    </div>
  )
}

function CardDetails({ task }: { task: Task }) {
  return (
    <div className={css.details}>
      {task.labels.map((label) => (
        <LabelChip key={label} label={label} />
      ))}
      {task.dueOn !== null && task.status !== 'done' && <DueChip dueOn={task.dueOn} />}
      {task.commentCount > 0 && (
        <span className={css.comments}>
          <CommentIcon size={13} />
          {task.commentCount}
          <span className="visually-hidden">{task.commentCount === 1 ? ' comment' : ' comments'}</span>
        </span>
      )}
    </div>
  )
}

function Assignee({ task }: { task: Task }) {
  const { personById } = useBoard()
  return <Avatar user={task.assigneeId === null ? undefined : personById.get(task.assigneeId)} />
}

export function TaskMenu({ task, rename }: { task: Task; rename: () => void }) {
  const { writes } = useBoard()
  const statusSection = useStatusSection(task)
  const column = useColumn()(task.status)
  const index = column.findIndex((other) => other.id === task.id)
  const moveBelow = (afterId: string | null) => writes.move(task, { status: task.status, afterId }, column)

  return (
    <Menu
      label={`What to do with ${task.key}`}
      sections={[
        { ...statusSection, heading: 'Move to' },
        {
          items: [
            {
              key: 'up',
              name: 'Move up',
              icon: <ArrowUpIcon />,
              isDisabled: index <= 0,
              run: () => moveBelow(column[index - 2]?.id ?? null),
            },
            {
              key: 'down',
              name: 'Move down',
              icon: <ArrowDownIcon />,
              isDisabled: index === -1 || index === column.length - 1,
              run: () => moveBelow(column[index + 1]!.id),
            },
          ],
        },
        {
          items: [
            { key: 'rename', name: 'Rename', hint: 'E', icon: <PencilIcon />, run: rename },
            {
              key: 'delete',
              name: 'Delete',
              hint: 'Del',
              icon: <TrashIcon />,
              isDanger: true,
              run: () => writes.remove(task),
            },
          ],
        },
      ]}
      trigger={(trigger) => (
        <IconButton {...trigger} className={css.more} label={`More for ${task.key}`} data-no-drag>
          <MoreIcon />
        </IconButton>
      )}
    />
  )
}
