/** What the server and the browser both know of the data: its shape, and nothing else. */
import { z } from 'zod'

export const STATUSES = ['todo', 'doing', 'review', 'done'] as const
export const PRIORITIES = ['none', 'low', 'medium', 'high', 'urgent'] as const
export const LABELS = ['bug', 'feature', 'design', 'research', 'chore'] as const
export const SORTS = ['rank', 'priority', 'updated', 'due', 'newest'] as const

export const Status = z.enum(STATUSES)
export const Priority = z.enum(PRIORITIES)
export const Label = z.enum(LABELS)
export const Sort = z.enum(SORTS)

export type Status = z.infer<typeof Status>
export type Priority = z.infer<typeof Priority>
export type Label = z.infer<typeof Label>
export type Sort = z.infer<typeof Sort>

export const User = z.object({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  color: z.string(),
})
export type User = z.infer<typeof User>

export const Board = z.object({
  id: z.string(),
  /** The prefix of its tasks' keys: `ORB`. */
  key: z.string(),
  name: z.string(),
  description: z.string(),
  color: z.string(),
  isPrivate: z.boolean(),
  memberIds: z.array(z.string()),
  counts: z.record(Status, z.number()),
})
export type Board = z.infer<typeof Board>

export const Task = z.object({
  id: z.string(),
  boardId: z.string(),
  /** `ORB-12`: how people call it. */
  key: z.string(),
  title: z.string(),
  description: z.string(),
  status: Status,
  priority: Priority,
  labels: z.array(Label),
  assigneeId: z.string().nullable(),
  /** A calendar day, `2027-01-31`. */
  dueOn: z.string().nullable(),
  /** Its place in its column, see `rank.ts`. */
  rank: z.string(),
  commentCount: z.number(),
  /** Counts the changes of this row. */
  version: z.number(),
  createdAt: z.string(),
  updatedAt: z.string(),
})
export type Task = z.infer<typeof Task>

export const ACTIVITY_KINDS = [
  'created',
  'renamed',
  'described',
  'moved',
  'assigned',
  'prioritized',
  'labelled',
  'scheduled',
  'commented',
  'deleted',
  'restored',
] as const

export const Activity = z.object({
  id: z.number(),
  boardId: z.string(),
  taskId: z.string(),
  taskKey: z.string(),
  taskTitle: z.string(),
  actorId: z.string(),
  kind: z.enum(ACTIVITY_KINDS),
  from: z.string().nullable(),
  to: z.string().nullable(),
  createdAt: z.string(),
})
export type Activity = z.infer<typeof Activity>

export type ActivityPage = { items: Activity[]; nextCursor: number | null }

/** What a write answers, and what everybody else hears of it: the rows as they are now. */
export const TaskChange = z.object({
  task: Task,
  actorId: z.string(),
  activity: z.array(Activity),
})
export type TaskChange = z.infer<typeof TaskChange>

/** Which tasks a list shows, and in which order. An absent field does not filter. */
export const TaskFilters = z.object({
  status: Status.optional(),
  /** A user's id, or `nobody`. */
  assignee: z.string().optional(),
  priority: Priority.optional(),
  label: Label.optional(),
  q: z.string().trim().min(1).max(100).optional(),
  sort: Sort.optional(),
})
export type TaskFilters = z.infer<typeof TaskFilters>

const title = z.string().trim().min(1, 'A task needs a title').max(200)
const dueOn = z.iso.date().nullable()

export const NewTask = z.object({
  /** Made by the client, so that a row on the screen is the same row before and after the answer. */
  id: z.uuid(),
  title,
  status: Status,
  priority: Priority.default('none'),
  assigneeId: z.string().nullable().default(null),
})
export type NewTask = z.input<typeof NewTask>

export const TaskPatch = z
  .object({
    title,
    description: z.string().max(10_000),
    status: Status,
    priority: Priority,
    labels: z.array(Label).max(LABELS.length),
    assigneeId: z.string().nullable(),
    dueOn,
  })
  .partial()
  .refine((patch) => Object.keys(patch).length > 0, 'Nothing to change')
export type TaskPatch = z.infer<typeof TaskPatch>

export const TaskMove = z.object({
  status: Status,
  /** The task that it comes to stand below; null: the top of the column. */
  afterId: z.string().nullable(),
})
export type TaskMove = z.infer<typeof TaskMove>

export const NewComment = z.object({ body: z.string().trim().min(1, 'Write something first').max(4_000) })
