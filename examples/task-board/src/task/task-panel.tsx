import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import type { Task } from '../../shared/model.ts'
import { ActivityFeed } from '../activity/activity-feed.tsx'
import { ApiError } from '../api.ts'
import { useBoard } from '../board/board-scope.ts'
import { DueChip } from '../board/due-chip.tsx'
import { AssigneeMenu, LabelsMenu, PriorityMenu, StatusMenu } from '../board/field-menus.tsx'
import { LabelChip } from '../board/label-chip.tsx'
import { FailedWrite, SyncMark } from '../board/sync-mark.tsx'
import { TaskMenu } from '../board/task-card.tsx'
import { taskQuery } from '../queries.ts'
import { RouteLink } from '../route-link.tsx'
import { navigate } from '../router.ts'
import { Avatar } from '../ui/avatar.tsx'
import { CalendarIcon, CloseIcon, PlusIcon, PriorityIcon, StatusIcon, TrashIcon } from '../ui/icons.tsx'
import { Bone, Failure, Notice, Skeleton } from '../ui/states.tsx'
import { PRIORITY_NAMES, STATUS_NAMES } from '../ui/words.ts'
import { CommentForm } from './comment-form.tsx'
import { TextField, type TextFieldHandle } from './text-field.tsx'
import css from './task-panel.module.css'

interface TaskPanelProps {
  readonly taskId: string
  readonly closeHref: string
}

export function TaskPanel({ taskId, closeHref }: TaskPanelProps) {
  const { board, tasks, sync } = useBoard()
  const query = useQuery({
    ...taskQuery(board.id, taskId),
    // What the list knows is the whole task: show it until the task itself is here.
    placeholderData: () => tasks.find((task) => task.id === taskId),
  })
  // A task that is being added is not on the server yet.
  const task = query.data ?? tasks.find((task) => task.id === taskId)
  const panel = useRef<HTMLElement>(null)
  const isGone =
    query.error instanceof ApiError && query.error.status === 404 && !tasks.some(({ id }) => id === taskId)

  useEffect(() => {
    const opener = document.activeElement as HTMLElement | null
    panel.current?.focus({ preventScroll: true })
    return () => {
      // Back to where it was opened from, unless the focus has gone elsewhere.
      requestAnimationFrame(() => {
        if (document.activeElement === document.body && opener?.isConnected === true) {
          opener.focus({ preventScroll: true })
        }
      })
    }
  }, [])

  return (
    <aside
      ref={panel}
      className={css.panel}
      tabIndex={-1}
      aria-label={task ? `Task ${task.key}` : 'Task'}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.defaultPrevented) navigate(closeHref)
      }}
    >
      <header className={css.head}>
        <span className={css.key}>
          {board.name} <span aria-hidden="true">/</span> <strong>{task?.key}</strong>
        </span>
        {task && <SyncMark sync={sync.byTaskId.get(task.id)} />}
        {task && !isGone && <PanelMenu task={task} />}
        <RouteLink className={css.close} href={closeHref} aria-label="Close" title="Close (Esc)">
          <CloseIcon />
        </RouteLink>
      </header>
      {isGone ? (
        <Notice icon={<TrashIcon size={22} />} title="This task was deleted">
          Whoever deleted it can still undo it for a moment.
        </Notice>
      ) : task ? (
        <TaskDetails task={task} />
      ) : query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} isRetrying={query.isFetching} />
      ) : (
        <Skeleton label="Loading the task">
          <div className={css.bones}>
            <Bone width="75%" height={22} />
            <Bone width="50%" />
            <Bone width="60%" />
            <Bone width="45%" />
            <Bone width="100%" height={80} />
          </div>
        </Skeleton>
      )}
    </aside>
  )
}

function PanelMenu({ task }: { task: Task }) {
  return (
    <div className={css.menu}>
      <TaskMenu task={task} rename={() => document.getElementById('task-title')?.focus()} />
    </div>
  )
}

function TaskDetails({ task }: { task: Task }) {
  const { board, personById, sync, writes } = useBoard()
  const title = useRef<TextFieldHandle>(null)
  const assignee = task.assigneeId === null ? undefined : personById.get(task.assigneeId)
  return (
    <div className={css.scroll}>
      <div className={css.notSaved}>
        <FailedWrite sync={sync.byTaskId.get(task.id)} name={task.title} />
      </div>
      <TextField
        ref={title}
        id="task-title"
        label="Title"
        className={css.title}
        value={task.title}
        isOneLine
        save={(text) => writes.patch(task, { title: text })}
      />
      <dl className={css.fields}>
        <dt>Status</dt>
        <dd>
          <StatusMenu
            task={task}
            trigger={(trigger) => (
              <button {...trigger} className={css.field}>
                <StatusIcon status={task.status} /> {STATUS_NAMES[task.status]}
              </button>
            )}
          />
        </dd>
        <dt>Priority</dt>
        <dd>
          <PriorityMenu
            task={task}
            trigger={(trigger) => (
              <button {...trigger} className={css.field}>
                <PriorityIcon priority={task.priority} /> {PRIORITY_NAMES[task.priority]}
              </button>
            )}
          />
        </dd>
        <dt>Assignee</dt>
        <dd>
          <AssigneeMenu
            task={task}
            trigger={(trigger) => (
              <button {...trigger} className={css.field}>
                <Avatar user={assignee} size="small" /> {assignee?.name ?? 'Nobody'}
              </button>
            )}
          />
        </dd>
        <dt>Labels</dt>
        <dd>
          <LabelsMenu
            task={task}
            trigger={(trigger) => (
              <button {...trigger} className={css.field}>
                {task.labels.length === 0 ? (
                  <span className={css.none}>
                    <PlusIcon size={14} /> Add a label
                  </span>
                ) : (
                  task.labels.map((label) => <LabelChip key={label} label={label} />)
                )}
              </button>
            )}
          />
        </dd>
        <dt>Due</dt>
        <dd>
          <DueField task={task} />
        </dd>
      </dl>
      <TextField
        label="Description"
        className={css.description}
        value={task.description}
        placeholder="Add a description…"
        save={(text) => writes.patch(task, { description: text })}
      />
      <section className={css.activity} aria-label="Activity">
        <h2 className={css.heading}>Activity</h2>
        <CommentForm send={(body) => writes.comment(task, body)} />
        <ActivityFeed boardId={board.id} taskId={task.id} />
      </section>
    </div>
  )
}

function DueField({ task }: { task: Task }) {
  const { writes } = useBoard()
  const input = useRef<HTMLInputElement>(null)
  const [isOpen, setIsOpen] = useState(false)
  return (
    <span className={css.dueField}>
      <button
        className={css.field}
        onClick={() => {
          setIsOpen(true)
          // The browser's own calendar, where it can be opened from a script.
          input.current?.focus()
          input.current?.showPicker?.()
        }}
      >
        {task.dueOn === null ? (
          <span className={css.none}>
            <CalendarIcon size={14} /> Set a date
          </span>
        ) : (
          <DueChip dueOn={task.dueOn} />
        )}
      </button>
      <input
        ref={input}
        type="date"
        aria-label="Due date"
        className={isOpen ? css.dateInput : css.dateInputHidden}
        tabIndex={isOpen ? 0 : -1}
        value={task.dueOn ?? ''}
        onBlur={() => setIsOpen(false)}
        onChange={(event) =>
          writes.patch(task, { dueOn: event.target.value === '' ? null : event.target.value })
        }
      />
      {task.dueOn !== null && (
        <button
          className={css.clear}
          aria-label="Take the due date off"
          onClick={() => writes.patch(task, { dueOn: null })}
        >
          <CloseIcon size={12} />
        </button>
      )}
    </span>
  )
}
