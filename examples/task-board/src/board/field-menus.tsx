/** Small buttons that show a field of a task and change it in place. */
import type { ReactNode } from 'react'
import { LABELS, PRIORITIES, STATUSES, type Status, type Task } from '../../shared/model.ts'
import { Avatar } from '../ui/avatar.tsx'
import { PriorityIcon, StatusIcon } from '../ui/icons.tsx'
import { Menu, type MenuSection, type MenuTriggerProps } from '../ui/menu.tsx'
import { LABEL_NAMES, PRIORITY_NAMES, STATUS_NAMES } from '../ui/words.ts'
import { useBoard } from './board-scope.ts'
import { LabelDot } from './label-chip.tsx'

interface FieldMenuProps {
  readonly task: Task
  readonly trigger: (props: MenuTriggerProps & { 'aria-label': string }) => ReactNode
}

/** The tasks of a column, as far as they are shown. */
export function useColumn() {
  const { tasks } = useBoard()
  return (status: Status) => tasks.filter((task) => task.status === status)
}

export function useStatusSection(task: Task): MenuSection {
  const { writes } = useBoard()
  const column = useColumn()
  return {
    heading: 'Status',
    choose: 'one',
    items: STATUSES.map((status) => ({
      key: status,
      name: STATUS_NAMES[status],
      icon: <StatusIcon status={status} />,
      isChecked: task.status === status,
      run: () => {
        if (task.status !== status) writes.moveToColumn(task, status, column(status))
      },
    })),
  }
}

export function StatusMenu({ task, trigger }: FieldMenuProps) {
  const section = useStatusSection(task)
  return (
    <Menu
      label="Status"
      sections={[section]}
      trigger={(props) =>
        trigger({ ...props, 'aria-label': `Status of ${task.key}: ${STATUS_NAMES[task.status]}` })
      }
    />
  )
}

export function PriorityMenu({ task, trigger }: FieldMenuProps) {
  const { writes } = useBoard()
  return (
    <Menu
      label="Priority"
      sections={[
        {
          heading: 'Priority',
          choose: 'one',
          items: [...PRIORITIES].reverse().map((priority) => ({
            key: priority,
            name: PRIORITY_NAMES[priority],
            icon: <PriorityIcon priority={priority} />,
            isChecked: task.priority === priority,
            run: () => {
              if (task.priority !== priority) writes.patch(task, { priority })
            },
          })),
        },
      ]}
      trigger={(props) =>
        trigger({ ...props, 'aria-label': `Priority of ${task.key}: ${PRIORITY_NAMES[task.priority]}` })
      }
    />
  )
}

export function AssigneeMenu({ task, trigger }: FieldMenuProps) {
  const { members, personById, writes } = useBoard()
  const assign = (assigneeId: string | null) => {
    if (task.assigneeId !== assigneeId) writes.patch(task, { assigneeId })
  }
  const name = task.assigneeId === null ? 'nobody' : personById.get(task.assigneeId)?.name
  return (
    <Menu
      label="Assignee"
      sections={[
        {
          heading: 'Assignee',
          choose: 'one',
          items: [
            ...members.map((user) => ({
              key: user.id,
              name: user.name,
              hint: user.role,
              icon: <Avatar user={user} size="small" />,
              isChecked: task.assigneeId === user.id,
              run: () => assign(user.id),
            })),
            {
              key: 'nobody',
              name: 'Nobody',
              icon: <Avatar user={undefined} size="small" />,
              isChecked: task.assigneeId === null,
              run: () => assign(null),
            },
          ],
        },
      ]}
      trigger={(props) => trigger({ ...props, 'aria-label': `Assignee of ${task.key}: ${name}` })}
    />
  )
}

export function LabelsMenu({ task, trigger }: FieldMenuProps) {
  const { writes } = useBoard()
  return (
    <Menu
      label="Labels"
      sections={[
        {
          heading: 'Labels',
          choose: 'many',
          items: LABELS.map((label) => ({
            key: label,
            name: LABEL_NAMES[label],
            icon: <LabelDot label={label} />,
            isChecked: task.labels.includes(label),
            run: () =>
              writes.patch(task, {
                labels: LABELS.filter((other) => task.labels.includes(other) !== (other === label)),
              }),
          })),
        },
      ]}
      trigger={(props) =>
        trigger({
          ...props,
          'aria-label': `Labels of ${task.key}: ${task.labels.map((label) => LABEL_NAMES[label]).join(' ')}`,
        })
      }
    />
  )
}
