import type { Board, User } from '../shared/model.ts'
import type { Sql } from './database.ts'
import { ApiError, notFound } from './errors.ts'

const BOARD = /* sql */ `
  select b.id, b.key, b.name, b.description, b.color, b.is_private as "isPrivate",
    coalesce((
      select jsonb_agg(m.user_id order by u.place) from board_members m join users u on u.id = m.user_id
      where m.board_id = b.id
    ), '[]') as "memberIds",
    jsonb_build_object('todo', 0, 'doing', 0, 'review', 0, 'done', 0) || coalesce((
      select jsonb_object_agg(status, n) from (
        select status, count(*) as n from tasks where board_id = b.id and deleted_at is null group by status
      ) as counted
    ), '{}') as counts
  from boards b
`

export async function listUsers(sql: Sql): Promise<User[]> {
  return (await sql.query<User>('select id, name, role, color from users order by place')).rows
}

/** Every board: a private one shows its name to everybody, and its tasks to its members. */
export async function listBoards(sql: Sql): Promise<Board[]> {
  return (await sql.query<Board>(`${BOARD} order by b.place`)).rows
}

export async function getBoard(sql: Sql, boardId: string): Promise<Board> {
  const { rows } = await sql.query<Board>(`${BOARD} where b.id = $1`, [boardId])
  if (rows[0] === undefined) throw notFound('board')
  return rows[0]
}

export async function isMember(sql: Sql, boardId: string, userId: string): Promise<boolean> {
  const { rows } = await sql.query('select 1 from board_members where board_id = $1 and user_id = $2', [
    boardId,
    userId,
  ])
  return rows.length > 0
}

/** Throws 403 unless the user may see and change what is on the board. */
export async function requireMember(sql: Sql, boardId: string, userId: string): Promise<void> {
  if (!(await isMember(sql, boardId, userId))) {
    throw new ApiError(403, 'not-a-member', 'This board is open to its members only.')
  }
}
