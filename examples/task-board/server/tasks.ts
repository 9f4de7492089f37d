import { rankBetween } from '../shared/rank.ts'
import type { NewTask, Task, TaskChange, TaskFilters, TaskMove, TaskPatch } from '../shared/model.ts'
import type { z } from 'zod'
import { addActivity, type NewActivity } from './activity.ts'
import type { Sql } from './database.ts'
import { ApiError, notFound } from './errors.ts'

const TASK = /* sql */ `
  select t.id, t.board_id as "boardId", b.key || '-' || t.number as key, t.title, t.description, t.status,
    t.priority, t.labels, t.assignee_id as "assigneeId", to_char(t.due_on, 'YYYY-MM-DD') as "dueOn", t.rank,
    t.comment_count as "commentCount", t.version, t.created_at as "createdAt", t.updated_at as "updatedAt"
  from tasks t join boards b on b.id = t.board_id
`
type TaskRow = Omit<Task, 'createdAt' | 'updatedAt'> & { createdAt: Date; updatedAt: Date }

const fromRow = (row: TaskRow): Task => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
})

const BY_RANK = `array_position(array['todo','doing','review','done'], t.status), t.rank, t.id`
const ORDER: Record<NonNullable<TaskFilters['sort']>, string> = {
  rank: BY_RANK,
  priority: `array_position(array['urgent','high','medium','low','none'], t.priority), ${BY_RANK}`,
  updated: `t.updated_at desc, ${BY_RANK}`,
  newest: `t.created_at desc, ${BY_RANK}`,
  due: `t.due_on asc nulls last, ${BY_RANK}`,
}

export async function listTasks(sql: Sql, boardId: string, filters: TaskFilters): Promise<Task[]> {
  const pattern = filters.q === undefined ? null : `%${filters.q.replace(/[\\%_]/g, '\\$&')}%`
  const { rows } = await sql.query<TaskRow>(
    `${TASK} where t.board_id = $1 and t.deleted_at is null
       and ($2::text is null or t.status = $2)
       and ($3::text is null or coalesce(t.assignee_id, 'nobody') = $3)
       and ($4::text is null or t.priority = $4)
       and ($5::text is null or $5 = any (t.labels))
       and ($6::text is null or t.title ilike $6 or t.description ilike $6 or b.key || '-' || t.number ilike $6)
     order by ${ORDER[filters.sort ?? 'rank']}`,
    [
      boardId,
      filters.status ?? null,
      filters.assignee ?? null,
      filters.priority ?? null,
      filters.label ?? null,
      pattern,
    ],
  )
  return rows.map(fromRow)
}

/** The task, deleted ones aside. */
export async function getTask(sql: Sql, taskId: string): Promise<Task> {
  const { rows } = await sql.query<TaskRow>(`${TASK} where t.id = $1 and t.deleted_at is null`, [taskId])
  if (rows[0] === undefined) throw notFound('task')
  return fromRow(rows[0])
}

/** The board of a task, also of a deleted one. */
export async function boardOfTask(sql: Sql, taskId: string): Promise<string> {
  const { rows } = await sql.query<{ id: string }>('select board_id as id from tasks where id = $1', [taskId])
  if (rows[0] === undefined) throw notFound('task')
  return rows[0].id
}

/** Who writes, and when: inside a transaction. */
export interface Write {
  readonly sql: Sql
  readonly actorId: string
  readonly at: Date
}

export async function createTask(
  write: Write,
  boardId: string,
  input: z.output<typeof NewTask>,
): Promise<TaskChange> {
  const { sql, at } = write
  const taken = await sql.query('select 1 from tasks where id = $1', [input.id])
  if (taken.rows.length > 0) throw new ApiError(409, 'id-taken', 'A task with this id exists already.')
  const { rows } = await sql.query<{ number: number }>(
    'update boards set last_number = last_number + 1 where id = $1 returning last_number as number',
    [boardId],
  )
  const last = await lastRank(sql, boardId, input.status)
  await sql.query(
    `insert into tasks (id, board_id, number, title, status, priority, assignee_id, rank, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`,
    [
      input.id,
      boardId,
      rows[0]!.number,
      input.title,
      input.status,
      input.priority,
      input.assigneeId,
      rankBetween(last, null),
      at,
    ],
  )
  return changeOf(write, input.id, [{ kind: 'created', to: input.status }])
}

type Entry = Pick<NewActivity, 'kind' | 'from' | 'to'>

export async function patchTask(write: Write, taskId: string, patch: TaskPatch): Promise<TaskChange> {
  const { sql } = write
  const before = await getTask(sql, taskId)
  const after = { ...before, ...patch } as Task // JSON has no `undefined`
  const entries: Entry[] = []
  if (after.title !== before.title) entries.push({ kind: 'renamed', from: before.title, to: after.title })
  if (after.description !== before.description) entries.push({ kind: 'described' })
  if (after.status !== before.status) entries.push({ kind: 'moved', from: before.status, to: after.status })
  if (after.priority !== before.priority) {
    entries.push({ kind: 'prioritized', from: before.priority, to: after.priority })
  }
  if (after.assigneeId !== before.assigneeId) {
    entries.push({ kind: 'assigned', from: before.assigneeId, to: after.assigneeId })
  }
  if (after.labels.join() !== before.labels.join()) {
    entries.push({ kind: 'labelled', from: before.labels.join(), to: after.labels.join() })
  }
  if (after.dueOn !== before.dueOn) entries.push({ kind: 'scheduled', from: before.dueOn, to: after.dueOn })
  // A new status by menu puts the task at the end of its new column.
  const rank =
    after.status === before.status
      ? before.rank
      : rankBetween(await lastRank(sql, before.boardId, after.status), null)
  await sql.query(
    `update tasks set title = $2, description = $3, status = $4, priority = $5, assignee_id = $6, labels = $7,
       due_on = $8, rank = $9 where id = $1`,
    [
      taskId,
      after.title,
      after.description,
      after.status,
      after.priority,
      after.assigneeId,
      after.labels,
      after.dueOn,
      rank,
    ],
  )
  return changeOf(write, taskId, entries)
}

export async function moveTask(write: Write, taskId: string, move: TaskMove): Promise<TaskChange> {
  const { sql } = write
  const before = await getTask(sql, taskId)
  const rank = await rankBelow(sql, before, move)
  await sql.query('update tasks set status = $2, rank = $3 where id = $1', [taskId, move.status, rank])
  return changeOf(
    write,
    taskId,
    before.status === move.status ? [] : [{ kind: 'moved', from: before.status, to: move.status }],
  )
}

/** Marks the task as deleted; `restoreTask` brings it back as it was. */
export async function deleteTask(write: Write, taskId: string): Promise<TaskChange> {
  const task = await getTask(write.sql, taskId)
  const change = await changeOf(write, taskId, [{ kind: 'deleted', from: task.status }])
  await write.sql.query('update tasks set deleted_at = $2 where id = $1', [taskId, write.at])
  return change
}

export async function restoreTask(write: Write, taskId: string): Promise<TaskChange> {
  await write.sql.query('update tasks set deleted_at = null where id = $1', [taskId])
  return changeOf(write, taskId, [{ kind: 'restored' }])
}

export async function commentTask(write: Write, taskId: string, body: string): Promise<TaskChange> {
  await getTask(write.sql, taskId)
  await write.sql.query('update tasks set comment_count = comment_count + 1 where id = $1', [taskId])
  return changeOf(write, taskId, [{ kind: 'commented', to: body }])
}

/** Counts the change on the row, writes down what happened, and gives both back. */
async function changeOf({ sql, actorId, at }: Write, taskId: string, entries: Entry[]): Promise<TaskChange> {
  await sql.query('update tasks set version = version + 1, updated_at = $2 where id = $1', [taskId, at])
  const task = await getTask(sql, taskId)
  const activity = []
  for (const entry of entries) {
    activity.push(await addActivity(sql, { ...entry, boardId: task.boardId, taskId, actorId, at }))
  }
  return { task, actorId, activity }
}

async function lastRank(sql: Sql, boardId: string, status: string): Promise<string | null> {
  const { rows } = await sql.query<{ rank: string | null }>(
    'select max(rank) as rank from tasks where board_id = $1 and status = $2',
    [boardId, status],
  )
  return rows[0]!.rank
}

/**
 * A rank right below `afterId` and above whatever follows it now. Deleted tasks keep their place, so they count
 * here too. When `afterId` is no longer in that column, the end of the column is the best guess.
 */
async function rankBelow(sql: Sql, task: Task, { status, afterId }: TaskMove): Promise<string> {
  let above: string | null = null
  if (afterId !== null) {
    const { rows } = await sql.query<{ rank: string }>(
      'select rank from tasks where id = $1 and board_id = $2 and status = $3',
      [afterId, task.boardId, status],
    )
    above = rows[0]?.rank ?? (await lastRank(sql, task.boardId, status))
  }
  const { rows } = await sql.query<{ rank: string | null }>(
    `select min(rank) as rank from tasks
     where board_id = $1 and status = $2 and id <> $3 and ($4::text is null or rank > $4)`,
    [task.boardId, status, task.id, above],
  )
  return rankBetween(above, rows[0]!.rank)
}
