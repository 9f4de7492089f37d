import { useState, type KeyboardEvent, type PointerEvent } from 'react'
import type { Status, Task } from '../../shared/model.ts'
import { IconButton } from '../ui/controls.tsx'
import { PlusIcon, StatusIcon } from '../ui/icons.tsx'
import { STATUS_NAMES, tasksCount } from '../ui/words.ts'
import { useBoard } from './board-scope.ts'
import css from './board-columns.module.css'
import { NotAdded } from './sync-mark.tsx'
import { TaskCard } from './task-card.tsx'
import { TitleEditor } from './title-editor.tsx'
import type { TaskDrag } from './use-task-drag.ts'

interface ColumnProps {
  readonly status: Status
  readonly tasks: readonly Task[]
  readonly drag: TaskDrag | null
  readonly pressTask: (event: PointerEvent<HTMLElement>, task: Task) => void
  readonly onCardKeyDown: (event: KeyboardEvent, task: Task) => void
  readonly isFiltered: boolean
  readonly openTaskId: string | null
  readonly isComposing: boolean
  readonly setIsComposing: (is: boolean) => void
}

export function Column(props: ColumnProps) {
  const { status, tasks, drag, isFiltered, openTaskId } = props
  const { writes, sync } = useBoard()
  const [isComposingHere, setIsComposingHere] = useState(false)
  const isComposing = isComposingHere || props.isComposing
  const isTarget = drag?.status === status
  const name = STATUS_NAMES[status]

  function leave() {
    setIsComposingHere(false)
    props.setIsComposing(false)
  }

  return (
    <section
      className={css.column}
      data-target={isTarget || undefined}
      aria-label={`${name}, ${tasksCount(tasks.length)}`}
    >
      <header className={css.columnHead}>
        <StatusIcon status={status} />
        <h2 className={css.columnName}>{name}</h2>
        <span className={css.columnCount} data-testid={`column-count-${status}`} aria-hidden="true">
          {tasks.length}
        </span>
        <IconButton label={`Add a task to ${name}`} onClick={() => setIsComposingHere(true)}>
          <PlusIcon />
        </IconButton>
      </header>
      <ul className={css.cards} data-column={status} aria-label={name}>
        {isTarget && drag.afterId === null && <li className={css.dropLine} role="presentation" />}
        {tasks.map((task) => (
          <TaskCard
            key={task.id}
            task={task}
            sync={sync.byTaskId.get(task.id)}
            isOpen={task.id === openTaskId}
            isLifted={drag?.task.id === task.id}
            isDropAfter={isTarget && drag.afterId === task.id}
            pressTask={props.pressTask}
            onKeyDown={props.onCardKeyDown}
          />
        ))}
        {sync.notAdded
          .filter(({ task }) => task.status === status)
          .map((entry) => (
            <li key={entry.task.id}>
              <NotAdded {...entry} />
            </li>
          ))}
        {tasks.length === 0 && !isComposing && (
          <li className={css.empty}>{isFiltered ? 'Nothing matches' : 'Nothing here yet'}</li>
        )}
        <li className={css.composeItem} data-no-drag>
          {isComposing ? (
            <div className={css.composer}>
              <TitleEditor
                label={`New task in ${name}`}
                placeholder="What needs to be done?"
                save={(title) => writes.create({ title, status }, tasks)}
                leave={leave}
                staysOpen
              />
              <span className={css.composerHint} aria-hidden="true">
                Enter adds it, Esc closes
              </span>
            </div>
          ) : (
            <button className={css.add} onClick={() => setIsComposingHere(true)}>
              <PlusIcon size={14} /> Add task
              <span className="visually-hidden"> to {name}</span>
            </button>
          )}
        </li>
      </ul>
    </section>
  )
}
