import { randomUUID } from 'node:crypto'
import { evenRanks } from '../shared/rank.ts'
import { STATUSES, type Activity, type Label, type Priority, type Status } from '../shared/model.ts'
import { BOARDS, PEOPLE, TASKS, type SeedTask } from './seed-data.ts'
import type { Sql } from './database.ts'

const HOUR = 3600_000
const DAY = 24 * HOUR

/** Fills an empty database with a team and what it has been doing in the weeks before `now`. */
export async function seed(sql: Sql, now: Date): Promise<void> {
  for (const [place, person] of PEOPLE.entries()) {
    await sql.query('insert into users (id, name, role, color, place) values ($1, $2, $3, $4, $5)', [
      person.id,
      person.name,
      person.role,
      person.color,
      place,
    ])
  }
  const history: Happening[] = []
  for (const [place, board] of BOARDS.entries()) {
    const tasks = TASKS[board.id] ?? []
    await sql.query(
      `insert into boards (id, key, name, description, color, is_private, place, last_number)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [board.id, board.key, board.name, board.description, board.color, board.isPrivate, place, tasks.length],
    )
    for (const userId of board.memberIds) {
      await sql.query('insert into board_members values ($1, $2)', [board.id, userId])
    }
    history.push(...(await seedTasks(sql, board.id, tasks, now)))
  }
  history.sort((a, b) => a.at.getTime() - b.at.getTime())
  for (const entry of history) {
    await sql.query(
      `insert into activity (board_id, task_id, actor_id, kind, from_value, to_value, created_at)
       values ($1, $2, $3, $4, $5, $6, $7)`,
      [entry.boardId, entry.taskId, entry.actorId, entry.kind, entry.from, entry.to, entry.at],
    )
  }
}

interface Happening {
  boardId: string
  taskId: string
  actorId: string
  kind: Activity['kind']
  from: string | null
  to: string | null
  at: Date
}

async function seedTasks(sql: Sql, boardId: string, tasks: SeedTask[], now: Date): Promise<Happening[]> {
  const history: Happening[] = []
  const ranks = new Map(
    STATUSES.flatMap((status) => {
      const column = tasks.filter((task) => task.status === status)
      return evenRanks(column.length).map((rank, i) => [column[i]!, rank] as const)
    }),
  )
  for (const [index, task] of tasks.entries()) {
    const id = randomUUID()
    const createdAt = new Date(now.getTime() - (26 - index * 0.9) * DAY + ((index * 7) % 9) * HOUR)
    const happened = historyOf(task, index, createdAt, now).map((entry) => ({
      ...entry,
      boardId,
      taskId: id,
    }))
    history.push(...happened)
    await sql.query(
      `insert into tasks (id, board_id, number, title, description, status, priority, labels, assignee_id, due_on,
         rank, comment_count, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
      [
        id,
        boardId,
        index + 1,
        task.title,
        task.description ?? '',
        task.status,
        task.priority satisfies Priority,
        (task.labels ?? []) satisfies Label[],
        task.assignee ?? null,
        task.dueInDays === undefined
          ? null
          : new Date(now.getTime() + task.dueInDays * DAY).toISOString().slice(0, 10),
        ranks.get(task),
        task.comments?.length ?? 0,
        createdAt,
        happened.at(-1)!.at,
      ],
    )
  }
  return history
}

/** How a task came to be as it is: created, assigned, moved through the columns, talked about. */
function historyOf(task: SeedTask, index: number, createdAt: Date, now: Date) {
  const author = PEOPLE[index % 4]!.id
  const hand = task.assignee ?? author
  const path: Status[] = STATUSES.slice(0, STATUSES.indexOf(task.status) + 1)
  const entries: Omit<Happening, 'boardId' | 'taskId' | 'at'>[] = [
    { actorId: author, kind: 'created', from: null, to: 'todo' },
  ]
  if (task.assignee !== undefined) {
    entries.push({ actorId: author, kind: 'assigned', from: null, to: task.assignee })
  }
  if (task.priority !== 'none') {
    entries.push({ actorId: PEOPLE[0]!.id, kind: 'prioritized', from: 'none', to: task.priority })
  }
  for (const [i, status] of path.entries()) {
    if (i > 0) entries.push({ actorId: hand, kind: 'moved', from: path[i - 1]!, to: status })
  }
  for (const comment of task.comments ?? []) {
    entries.push({ actorId: comment.by, kind: 'commented', from: null, to: comment.text })
  }
  // Spread from its making up to some time in the last days, another one for each task.
  const span = now.getTime() - createdAt.getTime() - (2 + ((index * 11) % 70)) * HOUR
  return entries.map((entry, i) => ({
    ...entry,
    at: new Date(createdAt.getTime() + Math.round((span * i) / Math.max(1, entries.length - 1))),
  }))
}
