import type { Activity, ActivityPage } from '../shared/model.ts'
import type { Sql } from './database.ts'

const ACTIVITY = /* sql */ `
  select a.id, a.board_id as "boardId", a.task_id as "taskId", b.key || '-' || t.number as "taskKey",
    t.title as "taskTitle", a.actor_id as "actorId", a.kind, a.from_value as "from", a.to_value as "to",
    a.created_at as "createdAt"
  from activity a join tasks t on t.id = a.task_id join boards b on b.id = a.board_id
`
type ActivityRow = Omit<Activity, 'createdAt'> & { createdAt: Date }

const fromRow = (row: ActivityRow): Activity => ({ ...row, createdAt: row.createdAt.toISOString() })

export interface ActivityQuery {
  readonly boardId: string
  readonly taskId?: string | undefined
  /** Only what is older than this entry. */
  readonly cursor?: number | undefined
  readonly limit: number
}

/** A page of what happened, newest first. */
export async function listActivity(sql: Sql, query: ActivityQuery): Promise<ActivityPage> {
  const { rows } = await sql.query<ActivityRow>(
    `${ACTIVITY} where a.board_id = $1 and ($2::text is null or a.task_id = $2) and ($3::int is null or a.id < $3)
     order by a.id desc limit $4`,
    [query.boardId, query.taskId ?? null, query.cursor ?? null, query.limit + 1],
  )
  const items = rows.slice(0, query.limit).map(fromRow)
  return { items, nextCursor: rows.length > query.limit ? items.at(-1)!.id : null }
}

export interface NewActivity {
  readonly boardId: string
  readonly taskId: string
  readonly actorId: string
  readonly kind: Activity['kind']
  readonly from?: string | null
  readonly to?: string | null
  readonly at: Date
}

export async function addActivity(sql: Sql, entry: NewActivity): Promise<Activity> {
  const { rows } = await sql.query<{ id: number }>(
    `insert into activity (board_id, task_id, actor_id, kind, from_value, to_value, created_at)
     values ($1, $2, $3, $4, $5, $6, $7) returning id`,
    [entry.boardId, entry.taskId, entry.actorId, entry.kind, entry.from ?? null, entry.to ?? null, entry.at],
  )
  const added = await sql.query<ActivityRow>(`${ACTIVITY} where a.id = $1`, [rows[0]!.id])
  return fromRow(added.rows[0]!)
}
