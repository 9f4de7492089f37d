/** What the code in the documents takes from the app around it. Types only: nothing of this runs. */
import type { DataTag, DehydratedState, QueryClient, UseQueryOptions } from '@tanstack/react-query'
import type { RequestHandler, Router } from 'express'
import type { FastifyReply } from 'fastify'
import type { Hono } from 'hono'
import type { Redis } from 'ioredis'
import type { Server } from 'node:http'
import type { Pool, PoolClient } from 'pg'
import type { ComponentType } from 'react'
import type {
  EventTable,
  RealtimeQueryBridge,
  RealtimeQueryBridgeOptions,
  Transport,
} from 'realtime-query-bridge'
import type { Socket } from 'socket.io-client'
import { z } from 'zod'

export { z }

export const Task = z.object({ id: z.string(), title: z.string() })
export type Task = z.infer<typeof Task>

export interface Rename {
  readonly id: string
  readonly title: string
}

export declare const queryClient: QueryClient
export declare const App: ComponentType
export declare const TaskList: ComponentType
export declare const socket: Socket
/** As pusher-js has them. */
export declare const pusher: {
  readonly connection: {
    readonly state: string
    bind(event: 'state_change', listener: (states: { current: string }) => void): void
    unbind(event: 'state_change', listener: (states: { current: string }) => void): void
  }
}
export declare const channel: {
  bind_global(listener: (event: string, data: unknown) => void): void
  unbind_global(listener: (event: string, data: unknown) => void): void
}
export declare const auth: { accessToken(): string; userId(): string | null }
export declare const url: string
export declare const httpServer: Server
export declare const task: Task & { readonly boardId: string }
export declare const id: string
export declare const title: string
export declare const boardId: string
export declare const isVisible: boolean
/** A web response, or one of Express. */
export declare const response: Response & { set(name: string, value: string): void }
export declare function queryFn(): Promise<Task[]>
export declare function toast(text: string): void
export declare function reportError(error: unknown): void

export declare const api: {
  patch(path: string, body: unknown, options: { headers: Record<string, string> }): Promise<Response>
  createTask(title: string, mutationId: string): Promise<Task>
}
export declare function taskQuery(id: string): {
  queryKey: DataTag<readonly ['tasks', 'detail', string], Task>
}
export declare const taskList: { queryKey: readonly ['tasks', 'list'] } & ((
  boardId: string,
) => UseQueryOptions<Task[]>)
export declare function columnTasks(id: string): UseQueryOptions<Task[]>
export declare function useInView(options: { rootMargin: string }): {
  ref: (element: Element | null) => void
  inView: boolean
}
export declare function oneTimeTicket(): Promise<string>
export interface TaskPage {
  readonly items: readonly Task[]
  readonly next: number | null
}
export declare const transport: Transport
/** As React Native has it. */
export declare const AppState: {
  addEventListener(type: 'change', listener: (state: string) => void): { remove(): void }
}
export declare const root: Element
declare global {
  interface Window {
    get streamedStates(): DehydratedState[] | undefined
    set streamedStates(states: { push(state: DehydratedState): void })
  }
}
export declare function createAppBridge(
  options: Pick<RealtimeQueryBridgeOptions<EventTable>, 'transport' | 'signals'>,
): RealtimeQueryBridge
export declare function createApp(): { queryClient: QueryClient; bridge: RealtimeQueryBridge }
export declare function tasksOptions(bridge: RealtimeQueryBridge): UseQueryOptions<Task[]>

export interface Identity {
  readonly userId: string
  readonly expiresAt: number
}
export declare function verify(token: string | undefined): Promise<Identity | 'expired' | null>
export declare function authenticate(credential: { token: string | undefined }): Promise<Identity | null>
export declare function authorize(request: { topic: string }): boolean
export declare function mayRead(identity: unknown, topic: string): boolean
export declare function mayUse(userId: string, topic: string, action: string): boolean
export declare const Nudge: z.ZodType<{ taskId: string }>
export declare function nudge(
  userId: string,
  nudge: unknown,
  options: { idempotencyKey: string },
): Promise<void>

export declare const db: {
  update(task: Task): Promise<void>
  insert(body: unknown): Promise<Task>
  tasks(): Promise<Task[]>
}
export declare const tasks: Task[]
export declare const router: Router
export declare const readTasks: RequestHandler
export declare const app: Hono
export declare const reply: FastifyReply
export declare const pool: Pool
/** Of PostgreSQL, or of Redis. */
export declare const client: PoolClient & Redis
export declare const body: string
export declare const key: string
export declare const userId: string
export declare function transaction<TResult>(work: (tx: PoolClient) => Promise<TResult>): Promise<TResult>
export declare function insert(tx: PoolClient, body: unknown): Promise<Task>
export declare const storeClient: Redis
