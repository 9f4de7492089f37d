import type { ReactNode } from 'react'
import type { Activity, Label, Priority, Status } from '../../shared/model.ts'
import { useBoard } from '../board/board-scope.ts'
import { RouteLink } from '../route-link.tsx'
import { Avatar } from '../ui/avatar.tsx'
import { PriorityIcon, StatusIcon } from '../ui/icons.tsx'
import { dueText, exactTime, useTimeAgo } from '../ui/time.ts'
import { LABEL_NAMES, PRIORITY_NAMES, STATUS_NAMES } from '../ui/words.ts'
import css from './activity-line.module.css'

interface ActivityLineProps {
  readonly entry: Activity
  /** Whether to name the task: not on the task's own page. */
  readonly namesTask: boolean
}

export function ActivityLine({ entry, namesTask }: ActivityLineProps) {
  const { personById, hrefOfTask } = useBoard()
  const actor = personById.get(entry.actorId)
  const when = useTimeAgo(entry.createdAt)
  const name = (
    <>
      {entry.taskKey} <span className={css.title}>{entry.taskTitle}</span>
    </>
  )
  const task =
    entry.kind === 'deleted' ? (
      <span className={css.task}>{name}</span>
    ) : (
      <RouteLink className={css.task} href={hrefOfTask(entry.taskId)}>
        {name}
      </RouteLink>
    )
  return (
    <li className={css.line} data-activity-id={entry.id}>
      <Avatar user={actor} />
      <div className={css.body}>
        <p className={css.text}>
          <strong>{actor?.name ?? 'Somebody'}</strong>{' '}
          {sentence(entry, namesTask ? task : 'this task', personById)}
        </p>
        {entry.kind === 'commented' && <p className={css.comment}>{entry.to}</p>}
      </div>
      <time className={css.when} dateTime={entry.createdAt} title={exactTime(entry.createdAt)}>
        {when}
      </time>
    </li>
  )
}

function sentence(
  entry: Activity,
  task: ReactNode,
  people: ReadonlyMap<string, { name: string }>,
): ReactNode {
  const { from, to } = entry
  switch (entry.kind) {
    case 'created':
      return <>added {task}</>
    case 'renamed':
      return (
        <>
          renamed {task} from <q>{from}</q>
        </>
      )
    case 'described':
      return <>changed what {task} says</>
    case 'moved':
      return (
        <>
          moved {task} to{' '}
          <span className={css.value}>
            <StatusIcon status={to as Status} size={14} /> {STATUS_NAMES[to as Status]}
          </span>
        </>
      )
    case 'assigned':
      if (to === null)
        return (
          <>
            took {task} from {people.get(from ?? '')?.name ?? 'somebody'}
          </>
        )
      if (to === entry.actorId) return <>took on {task}</>
      return (
        <>
          gave {task} to {people.get(to)?.name ?? 'somebody'}
        </>
      )
    case 'prioritized':
      return (
        <>
          set the priority of {task} to{' '}
          <span className={css.value}>
            <PriorityIcon priority={to as Priority} size={14} /> {PRIORITY_NAMES[to as Priority]}
          </span>
        </>
      )
    case 'labelled': {
      const names = (to ?? '')
        .split(',')
        .filter(Boolean)
        .map((label) => LABEL_NAMES[label as Label])
      return names.length === 0 ? (
        <>took the labels off {task}</>
      ) : (
        <>
          labelled {task} {new Intl.ListFormat('en').format(names)}
        </>
      )
    }
    case 'scheduled':
      return to === null ? (
        <>took the due date off {task}</>
      ) : (
        <>
          made {task} due{' '}
          {dueText(to).text.replace(/^(Today|Tomorrow|Yesterday)$/, (day) => day.toLowerCase())}
        </>
      )
    case 'commented':
      return <>commented on {task}</>
    case 'deleted':
      return <>deleted {task}</>
    case 'restored':
      return <>brought {task} back</>
  }
}
