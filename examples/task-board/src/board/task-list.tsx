import { useMemo, useRef, useState } from 'react'
import { STATUSES, type Sort, type Task, type TaskFilters } from '../../shared/model.ts'
import { hrefOf, navigate, useRoute } from '../router.ts'
import { RouteLink } from '../route-link.tsx'
import { Avatar } from '../ui/avatar.tsx'
import { Button } from '../ui/controls.tsx'
import { CommentIcon, ListIcon, PriorityIcon, StatusIcon } from '../ui/icons.tsx'
import { Notice } from '../ui/states.tsx'
import { exactTime, useTimeAgo } from '../ui/time.ts'
import { STATUS_NAMES } from '../ui/words.ts'
import { useBoard } from './board-scope.ts'
import { DueChip } from './due-chip.tsx'
import { AssigneeMenu, PriorityMenu, StatusMenu } from './field-menus.tsx'
import { LabelChip } from './label-chip.tsx'
import { RemoteLight } from './remote-light.tsx'
import { FailedWrite, NotAdded, SyncMark } from './sync-mark.tsx'
import { TaskMenu } from './task-card.tsx'
import css from './task-list.module.css'
import { TitleEditor } from './title-editor.tsx'
import { useGlide } from './use-glide.ts'

interface TaskListProps {
  readonly filters: TaskFilters
  readonly isFiltered: boolean
  readonly isComposing: boolean
  readonly setIsComposing: (is: boolean) => void
  readonly openTaskId: string | null
}

/** Columns whose heading sorts by them. */
const HEADINGS: readonly { name: string; sort?: Sort; className?: string | undefined }[] = [
  { name: 'Priority', sort: 'priority', className: css.iconCell },
  { name: 'Task' },
  { name: 'Labels', className: css.wide },
  { name: 'Due', sort: 'due' },
  { name: 'Changed', sort: 'updated', className: css.wide },
  { name: 'Assignee', className: css.iconCell },
  { name: 'More', className: css.iconCell },
]

export function TaskList({ filters, isFiltered, isComposing, setIsComposing, openTaskId }: TaskListProps) {
  const { tasks, writes, board, sync } = useBoard()
  const route = useRoute()
  const container = useRef<HTMLDivElement>(null)
  const sort = filters.sort ?? 'rank'
  const groups = useMemo(
    () =>
      sort === 'rank'
        ? STATUSES.map((status) => ({
            status,
            tasks: tasks.filter((task) => task.status === status),
          })).filter((group) => group.tasks.length > 0)
        : [{ status: null, tasks }],
    [tasks, sort],
  )
  useGlide(container, hrefOf({ ...route, taskId: null }))

  return (
    <div ref={container} className={css.list}>
      {isComposing && (
        <div className={css.composer}>
          <StatusIcon status="todo" />
          <TitleEditor
            label="New task in To do"
            placeholder="What needs to be done? Enter adds it, Esc closes"
            save={(title) =>
              writes.create(
                { title, status: 'todo' },
                tasks.filter((task) => task.status === 'todo'),
              )
            }
            leave={() => setIsComposing(false)}
            staysOpen
          />
        </div>
      )}
      {sync.notAdded.length > 0 && (
        <div className={css.notAdded}>
          {sync.notAdded.map((entry) => (
            <NotAdded key={entry.task.id} {...entry} />
          ))}
        </div>
      )}
      {tasks.length === 0 ? (
        <Notice
          icon={<ListIcon size={22} />}
          title={isFiltered ? 'Nothing matches' : 'No tasks yet'}
          action={
            isFiltered ? (
              <Button look="outline" onClick={() => navigate(hrefOf({ ...route, filters: {} }))}>
                Clear the filters
              </Button>
            ) : (
              <Button look="primary" onClick={() => setIsComposing(true)}>
                New task
              </Button>
            )
          }
        >
          {isFiltered ? 'No task of this board fits all of the filters.' : 'What should be done first?'}
        </Notice>
      ) : (
        <table className={css.table}>
          <caption className="visually-hidden">Tasks of {board.name}</caption>
          <thead>
            <tr>
              {HEADINGS.map(({ name, sort: by, className }) => (
                <th
                  key={name}
                  scope="col"
                  className={className}
                  aria-sort={
                    by !== undefined && by === sort ? (by === 'due' ? 'ascending' : 'descending') : undefined
                  }
                >
                  {by === undefined ? (
                    <span className={className === css.iconCell ? 'visually-hidden' : undefined}>{name}</span>
                  ) : (
                    <RouteLink
                      className={css.sortLink}
                      title={`Sort by ${name.toLowerCase()}`}
                      href={hrefOf({
                        ...route,
                        filters: by === sort ? withoutSort(route.filters) : { ...route.filters, sort: by },
                      })}
                    >
                      {className === css.iconCell ? (
                        <>
                          <PriorityIcon priority="high" size={14} />
                          <span className="visually-hidden">{name}</span>
                        </>
                      ) : (
                        name
                      )}
                    </RouteLink>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          {groups.map((group) => (
            <tbody key={group.status ?? 'all'} data-column={group.status ?? 'all'}>
              {group.status !== null && (
                <tr className={css.group}>
                  <th colSpan={HEADINGS.length} scope="rowgroup">
                    <span className={css.groupName}>
                      <StatusIcon status={group.status} />
                      {STATUS_NAMES[group.status]}
                      <span className={css.groupCount}>{group.tasks.length}</span>
                    </span>
                  </th>
                </tr>
              )}
              {group.tasks.map((task) => (
                <TaskRow key={task.id} task={task} isOpen={task.id === openTaskId} />
              ))}
            </tbody>
          ))}
        </table>
      )}
    </div>
  )
}

function TaskRow({ task, isOpen }: { task: Task; isOpen: boolean }) {
  const { hrefOfTask, sync: board, personById, writes } = useBoard()
  const [isRenaming, setIsRenaming] = useState(false)
  const changed = useTimeAgo(task.updatedAt)
  const sync = board.byTaskId.get(task.id)

  return (
    <tr
      className={css.row}
      data-task-id={task.id}
      data-open={isOpen || undefined}
      data-pending={(sync && sync.status !== 'failed') || undefined}
      data-sync={sync?.status}
    >
      <td className={css.iconCell}>
        <PriorityMenu
          task={task}
          trigger={(trigger) => (
            <button {...trigger} className={css.field}>
              <PriorityIcon priority={task.priority} />
            </button>
          )}
        />
      </td>
      <td>
        <RemoteLight taskId={task.id} />
        <div className={css.main}>
          <span className={css.key}>{task.key === '' ? 'New' : task.key}</span>
          <StatusMenu
            task={task}
            trigger={(trigger) => (
              <button {...trigger} className={css.field}>
                <StatusIcon status={task.status} />
              </button>
            )}
          />
          {isRenaming ? (
            <TitleEditor
              label={`Title of ${task.key}`}
              initial={task.title}
              save={(title) => writes.patch(task, { title })}
              leave={() => setIsRenaming(false)}
            />
          ) : (
            <RouteLink
              className={css.title}
              href={hrefOfTask(task.id)}
              aria-current={isOpen || undefined}
              data-card-link
              onKeyDown={(event) => {
                if (event.key === 'Delete') writes.remove(task)
                else if (event.key === 'e' || event.key === 'F2') setIsRenaming(true)
                else return
                event.preventDefault()
                event.stopPropagation()
              }}
            >
              {task.title}
            </RouteLink>
          )}
          {task.commentCount > 0 && (
            <span className={css.comments}>
              <CommentIcon size={13} />
              {task.commentCount}
              <span className="visually-hidden">{task.commentCount === 1 ? ' comment' : ' comments'}</span>
            </span>
          )}
          <SyncMark sync={sync} />
          <FailedWrite sync={sync} name={task.title} />
        </div>
      </td>
      <td className={css.wide}>
        <span className={css.labels}>
          {task.labels.map((label) => (
            <LabelChip key={label} label={label} />
          ))}
        </span>
      </td>
      <td className={css.due}>
        {task.dueOn !== null && task.status !== 'done' && <DueChip dueOn={task.dueOn} />}
      </td>
      <td className={`${css.wide} ${css.changed}`}>
        <time dateTime={task.updatedAt} title={exactTime(task.updatedAt)}>
          {changed}
        </time>
      </td>
      <td className={css.iconCell}>
        <AssigneeMenu
          task={task}
          trigger={(trigger) => (
            <button {...trigger} className={css.assignee}>
              <Avatar user={task.assigneeId === null ? undefined : personById.get(task.assigneeId)} />
            </button>
          )}
        />
      </td>
      <td className={css.iconCell}>
        <TaskMenu task={task} rename={() => setIsRenaming(true)} />
      </td>
    </tr>
  )
}

function withoutSort({ sort: _, ...filters }: TaskFilters): TaskFilters {
  return filters
}
